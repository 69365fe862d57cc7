// `assemble` on the CPU: one task per window. The rules are in kernels/masking.hpp; here is only
// where the results go. Integers all the way, so any back end writes the same bits.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <limits>
#include <vector>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/masking.hpp"

namespace epi::kernels::cpu {
namespace {

/// The token whose centre is nearest to its bin's middle, so far.
struct Nearest {
  std::int64_t distance = 0;
  std::int32_t token = -1;
};

/// One thread's working memory, grown only when a larger shape comes.
struct Scratch {
  std::vector<std::uint64_t> keys;   // [blocks] random word above block number
  std::vector<std::uint8_t> hidden;  // [bins]
  std::vector<Nearest> nearest;      // [bins]
};

/// What all windows of a call share.
struct Batch {
  const AssembleArgs& args;
  SpanPlan plan;
  std::int64_t state_slots = 0;
};

/// Row `b` of an operand; null when it is absent.
template <class T>
T* row(const View& view, std::int64_t b) {
  return view.size() == 0 ? nullptr : view.as<T>() + b * view.shape(1);
}

struct Targets {
  std::int32_t* rows;
  std::int32_t* labels;
  float* weights;

  void set(std::int64_t slot, std::int64_t target_row, std::int32_t label, float weight) const {
    rows[slot] = static_cast<std::int32_t>(target_row);
    labels[slot] = label;
    weights[slot] = weight;
  }
  void clear(std::int64_t from, std::int64_t to) const {
    for (std::int64_t slot = from; slot < to; ++slot) set(slot, 0, 0, 0.0F);
  }
};

/// One window of the batch, at work.
class Window {
 public:
  Window(const Batch& batch, std::int64_t b, Scratch& scratch)
      : args_(batch.args), batch_(batch), scratch_(scratch), b_(b) {
    const core::SampleRef& sample = args_.samples[static_cast<std::size_t>(b)];
    const auto& segment = args_.corpus->segments[static_cast<std::size_t>(sample.window.segment)];
    offset_bp_ = sample.window.offset_bp;
    bases_ = {segment.bases + offset_bp_, args_.tokens.window_bp(), sample.strand};
    states_ = sample.cell < 0 ? nullptr : segment.states[sample.cell];
    draws_ = {args_.state->seed, args_.state->first_slot + static_cast<std::uint64_t>(b)};
    ids_ = row<std::int32_t>(args_.token_ids, b) + 1;
    types_ = row<std::int32_t>(args_.type_ids, b) + 1;
  }

  void assemble() {
    const std::int32_t n = args_.tokens.dna_tokens();
    ids_[-1] = kCls;
    ids_[n] = kSep;
    for (std::int32_t i = 0; i < n; ++i) {
      ids_[i] = kmer_id(bases_, std::int64_t{i} * args_.tokens.stride, args_.tokens.k);
    }
    if (batch_.plan.spans > 0) hide_dna();
    show_states();
    add_counts();
  }

 private:
  void hide_dna();
  [[nodiscard]] std::int32_t choose_spans(std::int32_t first);
  void show_span(std::uint32_t block, std::int32_t start);
  void retokenise(std::uint32_t block, std::int32_t start);
  void show_states();
  void show_types(std::int64_t first_bin, bool some_hidden);
  void hide_states(std::int64_t first_bin, std::int64_t bins);
  void add_counts() const;

  const AssembleArgs& args_;
  const Batch& batch_;
  Scratch& scratch_;
  std::int64_t b_;
  std::int64_t offset_bp_ = 0;
  WindowBases bases_;
  const std::uint8_t* states_ = nullptr;
  SampleDraws draws_;
  std::int32_t* ids_ = nullptr;    // of DNA token 0
  std::int32_t* types_ = nullptr;  // of DNA token 0
  std::int64_t counts_[kNumCounts] = {};
};

void Window::hide_dna() {
  const SpanPlan& plan = batch_.plan;
  const std::int32_t first = draws_.first_block(plan);
  const std::int32_t chosen = choose_spans(first);
  const Targets targets{row<std::int32_t>(args_.dna_rows, b_),
                        row<std::int32_t>(args_.dna_labels, b_), row<float>(args_.dna_weights, b_)};
  const float weight_in_repeats = args_.masks.weight_in_repeats();
  std::int64_t slot = 0;
  for (std::int32_t c = 0; c < chosen; ++c) {
    const auto block = static_cast<std::uint32_t>(scratch_.keys[static_cast<std::size_t>(c)]);
    const std::int32_t start = first + static_cast<std::int32_t>(block) * plan.period;
    for (std::int32_t i = start; i < start + plan.tokens; ++i) {
      const bool repeat = in_repeat(bases_, args_.tokens, i);
      counts_[kRepeatTargets] += repeat ? 1 : 0;
      targets.set(slot++, b_ * args_.tokens.length + 1 + i, ids_[i],
                  repeat ? weight_in_repeats : 1.0F);
    }
    show_span(block, start);
  }
  counts_[kDnaTargets] = slot;
  counts_[kHiddenBases] = std::int64_t{chosen} * plan.hidden_bases;
  targets.clear(slot, std::int64_t{plan.spans} * plan.tokens);
}

/// Leaves the chosen blocks in scratch.keys, in the order of their places; returns how many.
/// A block with an unknown k-mer, or beside one (it would hide more than its share), is no
/// candidate; neither is one in a repeat where these are excluded.
std::int32_t Window::choose_spans(std::int32_t first) {
  const SpanPlan& plan = batch_.plan;
  const std::int32_t blocks = num_blocks(plan, args_.tokens.dna_tokens(), first);
  const bool exclude = args_.masks.repeats == Repeats::exclude;
  auto* const keys = scratch_.keys.data();
  std::int32_t candidates = 0;
  for (std::int32_t block = 0; block < blocks; ++block) {
    const std::int32_t start = first + block * plan.period;
    const std::int32_t* const begin = ids_ + start - plan.guard;
    const std::int32_t* const end = ids_ + start + plan.tokens + plan.guard;
    if (std::find(begin, end, kUnknown) != end) continue;
    if (exclude && block_in_repeat(bases_, args_.tokens, plan, start)) continue;
    const auto number = static_cast<std::uint32_t>(block);
    const std::uint64_t word = draws_.words(core::RandomUse::dna_mask, number, 0)[0];
    keys[candidates++] = (word << 32U) | number;
  }
  const std::int32_t chosen = std::min(candidates, plan.spans);
  if (chosen < candidates) std::nth_element(keys, keys + chosen, keys + candidates);
  std::sort(keys, keys + chosen, [](std::uint64_t a, std::uint64_t b) {
    return static_cast<std::uint32_t>(a) < static_cast<std::uint32_t>(b);
  });
  return chosen;
}

void Window::show_span(std::uint32_t block, std::int32_t start) {
  const std::uint32_t word = draws_.words(core::RandomUse::dna_mask, block, 0)[1];
  switch (span_shown(args_.masks, word)) {
    case SpanShown::mask:
      std::fill_n(ids_ + start, batch_.plan.tokens, kMask);
      break;
    case SpanShown::random:
      retokenise(block, start);
      break;
    case SpanShown::kept:
      break;
  }
}

/// Replaces the hidden bases, not the tokens: what visible neighbours tell stays true, so a random
/// span looks like any other sequence.
void Window::retokenise(std::uint32_t block, std::int32_t start) {
  const TokenSpec& spec = args_.tokens;
  const std::int64_t end = std::int64_t{start + batch_.plan.tokens} * spec.stride;
  const std::int64_t begin = end - batch_.plan.hidden_bases;
  const auto shown = [&](std::int64_t j) {
    const bool hidden = j >= begin && j < end;
    return hidden ? draws_.random_base(block, static_cast<std::uint32_t>(j - begin)) : bases_(j);
  };
  for (std::int32_t i = start; i < start + batch_.plan.tokens; ++i) {
    ids_[i] = kmer_id(shown, std::int64_t{i} * spec.stride, spec.k);
  }
}

void Window::show_states() {
  const std::int64_t bin_bp = args_.corpus->bin_bp;
  const std::int64_t first_bin = offset_bp_ / bin_bp;
  const std::int64_t bins = (offset_bp_ + bases_.length - 1) / bin_bp - first_bin + 1;
  const bool known = states_ != nullptr && !draws_.track_is_dropped(args_.masks);
  if (!known) {
    std::fill_n(types_ - 1, args_.tokens.length, std::int32_t{core::kStateMissing});
  } else {
    hide_states(first_bin, bins);
  }
  if (batch_.state_slots == 0) return;
  const Targets targets{row<std::int32_t>(args_.state_rows, b_),
                        row<std::int32_t>(args_.state_labels, b_),
                        row<float>(args_.state_weights, b_)};
  std::int64_t slot = 0;
  for (std::int64_t bin = 0; known && bin < bins; ++bin) {
    const std::int32_t token = scratch_.nearest[static_cast<std::size_t>(bin)].token;
    const std::int32_t state = states_[first_bin + bin];
    if (token < 0 || state == core::kStateMissing) continue;
    targets.set(slot++, b_ * args_.tokens.length + 1 + token, state - 1, 1.0F);
  }
  counts_[kStateTargets] = slot;
  targets.clear(slot, batch_.state_slots);
}

void Window::hide_states(std::int64_t first_bin, std::int64_t bins) {
  std::fill_n(scratch_.hidden.begin(), bins, std::uint8_t{0});
  std::fill_n(scratch_.nearest.begin(), bins,
              Nearest{std::numeric_limits<std::int64_t>::max(), -1});
  const std::int32_t wanted = hidden_bins(args_.masks, bins);
  hide_bins(draws_, args_.masks, static_cast<std::int32_t>(bins), wanted, scratch_.hidden.data());
  show_types(first_bin, wanted > 0);
}

/// Types of all tokens; for hidden bins also the token nearest to the middle (the first of two).
void Window::show_types(std::int64_t first_bin, bool some_hidden) {
  const TokenSpec& spec = args_.tokens;
  const std::int64_t bin_bp = args_.corpus->bin_bp;
  types_[-1] = types_[spec.dna_tokens()] = core::kStateMissing;
  for (std::int32_t i = 0; i < spec.dna_tokens(); ++i) {
    const std::int64_t centre = offset_bp_ + bases_.position(spec.centre_bp(i));
    const std::int64_t bin = centre / bin_bp;
    types_[i] = states_[bin];
    const auto local = static_cast<std::size_t>(bin - first_bin);
    if (!some_hidden || scratch_.hidden[local] == 0) continue;
    types_[i] = args_.corpus->num_states + 1;
    const std::int64_t off = 2 * (centre - bin * bin_bp) - (bin_bp - 1);  // in half bases
    Nearest& nearest = scratch_.nearest[local];
    if (const std::int64_t distance = off < 0 ? -off : off; distance < nearest.distance) {
      nearest = {distance, i};
    }
  }
}

/// Windows run in any order on any thread: sums of integers don't mind.
void Window::add_counts() const {
  auto* const counts = args_.counts.as<std::int64_t>();
  for (std::size_t i = 0; i < kNumCounts; ++i) {
    std::atomic_ref(counts[i]).fetch_add(counts_[i], std::memory_order_relaxed);
  }
}

/// The caller's scratch for all threads of its pool, large enough for the shape.
std::vector<Scratch>& scratch_for(const AssembleArgs& args, const Batch& batch, int threads) {
  thread_local std::vector<Scratch> all;
  if (all.size() < static_cast<std::size_t>(threads)) all.resize(static_cast<std::size_t>(threads));
  const std::int64_t bins = args.tokens.window_bp() / args.corpus->bin_bp + 2;
  const auto blocks = num_blocks(batch.plan, args.tokens.dna_tokens(), batch.plan.guard);
  for (Scratch& scratch : all) {
    if (scratch.keys.size() < static_cast<std::size_t>(blocks)) {
      scratch.keys.resize(static_cast<std::size_t>(blocks));
    }
    if (scratch.hidden.size() >= static_cast<std::size_t>(bins)) continue;
    scratch.hidden.resize(static_cast<std::size_t>(bins));
    scratch.nearest.resize(static_cast<std::size_t>(bins));
  }
  return all;
}

}  // namespace

void assemble(const AssembleArgs& args, Pool& pool) {
  const Batch batch{args, plan_spans(args.tokens, args.masks),
                    state_slots(args.tokens, args.masks, args.corpus->bin_bp)};
  std::vector<Scratch>& scratch = scratch_for(args, batch, pool.threads());
  pool.run(static_cast<std::int64_t>(args.samples.size()), [&](std::int64_t b, int thread) {
    Window(batch, b, scratch[static_cast<std::size_t>(thread)]).assemble();
  });
}

}  // namespace epi::kernels::cpu
