// Tokens of a window: k-mers every `stride` bases between [CLS] and [SEP], in BERT's vocabulary.
#pragma once

#include <cstdint>

namespace epi::kernels {

inline constexpr std::int32_t kPad = 0;
inline constexpr std::int32_t kUnknown = 1;  ///< a k-mer with an N; never a target
inline constexpr std::int32_t kCls = 2;
inline constexpr std::int32_t kSep = 3;
inline constexpr std::int32_t kMask = 4;
inline constexpr std::int32_t kFirstKmer = 5;

/// k = stride = 1: bases; 6/6: as in Nucleotide Transformer; k = 6, stride = 1: as in DNABERT.
struct TokenSpec {
  std::int32_t k = 6;
  std::int32_t stride = 6;    ///< 1 <= stride <= k
  std::int32_t length = 512;  ///< T: tokens of a window with [CLS] and [SEP]

  /// DNA tokens of a window: T without [CLS] and [SEP].
  [[nodiscard]] constexpr std::int32_t dna_tokens() const { return length - 2; }
  /// Bases that a window covers.
  [[nodiscard]] constexpr std::int64_t window_bp() const {
    return std::int64_t{dna_tokens() - 1} * stride + k;
  }
  /// V: special tokens and 4^k k-mers. The k-mer b0 b1 .. has id kFirstKmer + sum b_i 4^(k-1-i).
  [[nodiscard]] constexpr std::int32_t vocabulary() const { return kFirstKmer + (1 << (2 * k)); }
  /// The base (relative to the window's start) whose bin gives the state of DNA token `i`, counted
  /// without [CLS]: the k-mer's centre.
  [[nodiscard]] constexpr std::int64_t centre_bp(std::int32_t i) const {
    return std::int64_t{i} * stride + k / 2;
  }
};

/// What becomes of DNA targets in repeats: tokens more than half of whose bases are soft-masked.
enum class Repeats : std::uint8_t {
  keep,        ///< targets like any other
  downweight,  ///< targets of weight MaskSpec::repeat_weight
  exclude      ///< no targets: a span with such a token is never chosen
};

/// As in configurations.
[[nodiscard]] constexpr const char* name_of(Repeats repeats) {
  if (repeats == Repeats::keep) return "keep";
  return repeats == Repeats::downweight ? "downweight" : "exclude";
}

/// What is hidden from the model. All draws are functions of (seed, slot, position).
struct MaskSpec {
  float dna_rate = 0.15F;     ///< share of a window's DNA tokens that are targets; 0: none
  float mask_share = 0.8F;    ///< of the spans: shown as [MASK]
  float random_share = 0.1F;  ///< of the spans: hidden bases replaced by uniform random ones
  /// Bases that one span hides when k-mers overlap (stride < k); a span then takes
  /// ceil((span_bases + k) / stride) - 1 tokens, n + k - 1 for stride 1. With stride = k a span is
  /// one token.
  std::int32_t span_bases = 1;
  float state_rate = 0.15F;      ///< share of a window's bins that are hidden; 0: none
  float state_span_bins = 5.0F;  ///< mean of the geometric length of a hidden run of bins
  float state_dropout = 0.1F;    ///< share of windows whose whole track becomes missing
  Repeats repeats = Repeats::keep;
  float repeat_weight = 0.1F;  ///< above 0; read with Repeats::downweight only

  /// What a DNA target in a repeat weighs.
  [[nodiscard]] constexpr float weight_in_repeats() const {
    return repeats == Repeats::downweight ? repeat_weight : 1.0F;
  }
};

}  // namespace epi::kernels
