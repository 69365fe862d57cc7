// Which tokens of a window are hidden, and what stands there instead: the integer rules that every
// back end of `assemble` shares. Free of the standard library's run time, so device code may
// include it.
//
// Draws, by the counter given to Philox (slot as its low and high word):
//   dna_mask      {slot, slot, block, 0}      word 0: order in which blocks are chosen,
//                                             word 1: shown as [MASK], random or kept
//                 {slot, slot, block, 1 + h/64}  random base h of a span: 2 bits, lowest first
//                 {slot, slot, 2^32 - 1, 0}   word 0: where the first block starts
//   state_mask    {slot, slot, run, e/4}      word e%4; e = 0: start of the run, e >= 1: longer or
//   not state_dropout {slot, slot, 0, 0}          word 0: whether the whole track is missing
//
// When k-mers overlap, a base is hidden only if all its k-mers are. Spans are therefore blocks of
// neighbouring tokens with at least one visible token on each side; blocks lie on a lattice of
// random phase, so that no two touch and each knows which bases it hides.
#pragma once

#include <cstdint>

#include "core/corpus.hpp"
#include "core/philox.hpp"
#include "kernels/tokens.hpp"

namespace epi::kernels {

/// How a window's tokens are cut into blocks, one of which becomes a span when chosen.
struct SpanPlan {
  std::int32_t tokens = 1;        ///< of a block
  std::int32_t period = 1;        ///< from block to block; longer than `tokens` by the guard
  std::int32_t guard = 0;         ///< visible tokens needed on each side: 1 when k-mers overlap
  std::int32_t hidden_bases = 1;  ///< per span
  std::int32_t spans = 0;         ///< chosen per window
};

/// For values >= 0; the standard library's rounding is not at hand on devices.
[[nodiscard]] constexpr std::int32_t round_half_up(double value) {
  return static_cast<std::int32_t>(value + 0.5);
}

/// The same for every window: numbers of target slots must be known before any is seen.
[[nodiscard]] constexpr SpanPlan plan_spans(const TokenSpec& tokens, const MaskSpec& masks) {
  SpanPlan plan;
  const std::int32_t n = tokens.dna_tokens();
  plan.hidden_bases = tokens.k;
  std::int32_t most = n;
  if (tokens.stride < tokens.k) {
    plan.tokens = (masks.span_bases + tokens.k + tokens.stride - 1) / tokens.stride - 1;
    plan.guard = 1;
    plan.period = plan.tokens + 1;
    plan.hidden_bases = plan.period * tokens.stride - tokens.k;
    most = (n - 1) / plan.period;
  }
  if (masks.dna_rate <= 0.0F) return plan;
  plan.spans = round_half_up(double{masks.dna_rate} * n / plan.tokens);
  if (plan.spans > most) plan.spans = most;
  if (plan.spans < 1) plan.spans = 1;
  return plan;
}

/// Blocks of a window of `n` DNA tokens whose first block starts at token `first`.
[[nodiscard]] constexpr std::int32_t num_blocks(const SpanPlan& plan, std::int32_t n,
                                                std::int32_t first) {
  const std::int32_t room = n - plan.guard - plan.tokens - first;
  return room < 0 ? 0 : room / plan.period + 1;
}

/// Random words of one sample.
struct SampleDraws {
  std::uint64_t seed = 0;
  std::uint64_t slot = 0;

  /// Four words of one use; the table above says what `a` and `b` are.
  [[nodiscard]] constexpr core::PhiloxBlock words(core::RandomUse use, std::uint32_t a,
                                                  std::uint32_t b) const {
    return core::philox(
        seed, use,
        {static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(slot >> 32U), a, b});
  }
  /// Token at which the lattice of blocks starts: a random phase where k-mers overlap, else 0.
  [[nodiscard]] constexpr std::int32_t first_block(const SpanPlan& plan) const {
    if (plan.guard == 0) return 0;
    const std::uint32_t word = words(core::RandomUse::dna_mask, 0xffffffffU, 0)[0];
    return plan.guard + static_cast<std::int32_t>(
                            core::uniform_below(word, static_cast<std::uint32_t>(plan.period)));
  }
  /// Base code that replaces hidden base `h` of a random span.
  [[nodiscard]] constexpr std::uint32_t random_base(std::uint32_t block, std::uint32_t h) const {
    const auto drawn = words(core::RandomUse::dna_mask, block, 1 + h / 64);
    return (drawn[(h % 64) / 16] >> (2 * (h % 16))) & 3U;
  }
  /// Whether the window shows no states at all, as for a cell type without a track.
  [[nodiscard]] constexpr bool track_is_dropped(const MaskSpec& masks) const {
    return core::uniform_float(words(core::RandomUse::state_dropout, 0, 0)[0]) <
           masks.state_dropout;
  }
  /// Word `e` of run `run`: 0 its start, the others whether it goes on.
  [[nodiscard]] constexpr std::uint32_t state_word(std::uint32_t run, std::uint32_t e) const {
    return words(core::RandomUse::state_mask, run, e / 4)[e % 4];
  }
};

/// What stands where a span is.
enum class SpanShown : std::uint8_t { mask, random, kept };

/// From one uniform word: [MASK] below mask_share, random in the next random_share, else kept.
[[nodiscard]] constexpr SpanShown span_shown(const MaskSpec& masks, std::uint32_t word) {
  const float drawn = core::uniform_float(word);
  if (drawn < masks.mask_share) return SpanShown::mask;
  return drawn < masks.mask_share + masks.random_share ? SpanShown::random : SpanShown::kept;
}

/// The bases of a window in the orientation shown: the reverse strand is the reverse complement.
struct WindowBases {
  const std::uint8_t* first = nullptr;  ///< the window's lowest genome position
  std::int64_t length = 0;
  core::Strand strand = core::Strand::forward;

  /// 0..3, or kBaseN.
  [[nodiscard]] constexpr std::uint32_t operator()(std::int64_t j) const {
    if (strand == core::Strand::forward) return first[j] & core::kBaseMask;
    const std::uint32_t base = first[length - 1 - j] & core::kBaseMask;
    return base < core::kBaseN ? 3U - base : base;
  }
  /// Whether base `j` is a soft-masked one.
  [[nodiscard]] constexpr bool soft_masked(std::int64_t j) const {
    return (first[position(j)] & core::kSoftMasked) != 0;
  }
  /// Genome position of base `j`, relative to the window's lowest.
  [[nodiscard]] constexpr std::int64_t position(std::int64_t j) const {
    return strand == core::Strand::forward ? j : length - 1 - j;
  }
};

/// Id of the k-mer that starts at base `j` of `bases(j)`.
template <class Bases>
[[nodiscard]] constexpr std::int32_t kmer_id(const Bases& bases, std::int64_t j, std::int32_t k) {
  std::uint32_t id = 0;
  std::uint32_t unknown = 0;
  for (std::int32_t i = 0; i < k; ++i) {
    const std::uint32_t base = bases(j + i);
    unknown |= base >> 2U;
    id = (id << 2U) | (base & 3U);
  }
  return unknown != 0 ? kUnknown : kFirstKmer + static_cast<std::int32_t>(id);
}

/// Whether DNA token `i` lies in a repeat: more than half of its bases are soft-masked.
[[nodiscard]] constexpr bool in_repeat(const WindowBases& bases, const TokenSpec& tokens,
                                       std::int32_t i) {
  const std::int64_t start = std::int64_t{i} * tokens.stride;
  std::int32_t soft = 0;
  for (std::int32_t j = 0; j < tokens.k; ++j) soft += bases.soft_masked(start + j) ? 1 : 0;
  return 2 * soft > tokens.k;
}

/// Whether one of the tokens of a block that starts at token `start` lies in a repeat. Its guards
/// may: they are no targets.
[[nodiscard]] constexpr bool block_in_repeat(const WindowBases& bases, const TokenSpec& tokens,
                                             const SpanPlan& plan, std::int32_t start) {
  for (std::int32_t i = start; i < start + plan.tokens; ++i) {
    if (in_repeat(bases, tokens, i)) return true;
  }
  return false;
}

/// Bins to hide of the `bins` that a window touches.
[[nodiscard]] constexpr std::int32_t hidden_bins(const MaskSpec& masks, std::int64_t bins) {
  if (masks.state_rate <= 0.0F) return 0;
  const std::int32_t wanted = round_half_up(double{masks.state_rate} * static_cast<double>(bins));
  return wanted < 1 ? 1 : wanted;
}

/// A run goes on for another bin while a random word is at or above this: 2^32 / mean length.
[[nodiscard]] constexpr std::uint32_t run_ends_below(const MaskSpec& masks) {
  if (masks.state_span_bins <= 1.0F) return 0xffffffffU;
  return static_cast<std::uint32_t>(4294967296.0 / double{masks.state_span_bins});
}

/// Sets hidden[b] = 1 for `wanted` of the `bins` bins (`hidden` is zeroed before): runs of
/// geometric length at uniform places, the last one cut. Runs may start before the first bin, so
/// that each bin is as likely as any other.
constexpr void hide_bins(const SampleDraws& draws, const MaskSpec& masks, std::int32_t bins,
                         std::int32_t wanted, std::uint8_t* hidden) {
  const std::uint32_t ends_below = run_ends_below(masks);
  // More runs than a window ever needs; if all of them fall on each other the first bins follow.
  const std::uint32_t most_runs = 64U + 16U * static_cast<std::uint32_t>(bins);
  std::int32_t left = wanted;
  for (std::uint32_t run = 0; run < most_runs && left > 0; ++run) {
    std::int32_t length = 1;
    while (length < bins &&
           draws.state_word(run, static_cast<std::uint32_t>(length)) >= ends_below) {
      ++length;
    }
    const auto places = static_cast<std::uint32_t>(bins + length - 1);
    const std::int32_t start =
        static_cast<std::int32_t>(core::uniform_below(draws.state_word(run, 0), places)) - length +
        1;
    for (std::int32_t b = start < 0 ? 0 : start; b < start + length && b < bins && left > 0; ++b) {
      left -= hidden[b] == 0 ? 1 : 0;
      hidden[b] = 1;
    }
  }
  for (std::int32_t b = 0; b < bins && left > 0; ++b) {
    left -= hidden[b] == 0 ? 1 : 0;
    hidden[b] = 1;
  }
}

}  // namespace epi::kernels
