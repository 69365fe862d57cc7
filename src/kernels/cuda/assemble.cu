// Batch assembly on the device: one block per window, its tokens in parallel. The rules, and every
// random draw, are those of kernels/masking.hpp, so the integers are the CPU's. What the CPU does
// in order is done here in parallel with the same result: the spans with the smallest keys are
// found by a radix select, their places by counting those before, a bin's nearest token by a thread
// that looks at the bin's tokens only. Bound by latency: a window is a few kilobytes.
#include "kernels/cuda/assemble.hpp"

#include <algorithm>
#include <string>

#include "kernels/cuda/choose_spans.cuh"
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/masking.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

using simt::sync_block;
using simt::thread;

constexpr std::int32_t kNoToken = -1;

/// The three lists of one kind of targets.
struct Targets {
  std::int32_t* rows;
  std::int32_t* labels;
  float* weights;

  __device__ void set(std::int64_t slot, std::int64_t target_row, std::int32_t label,
                      float weight) const {
    rows[slot] = static_cast<std::int32_t>(target_row);
    labels[slot] = label;
    weights[slot] = weight;
  }
};

struct AssembleParams {
  const core::SegmentView* segments;
  const core::SampleRef* samples;
  const StepState* state;
  std::int64_t num_segments;
  std::int32_t num_cells;
  std::int32_t num_states;
  std::int32_t bin_bp;
  TokenSpec tokens;
  MaskSpec masks;
  SpanPlan plan;
  AssembleShape shape;
  std::int32_t dna_slots;
  std::int32_t state_slots;
  std::int32_t* token_ids;
  std::int32_t* type_ids;
  Targets dna;
  Targets bins;
  std::int64_t* counts;
};

/// What all threads of a block know of their window.
struct Window {
  std::int64_t b;
  std::int64_t offset_bp;
  WindowBases bases;
  const std::uint8_t* states;  // null: no track
  SampleDraws draws;
  std::int32_t* ids;    // of DNA token 0
  std::int32_t* types;  // of DNA token 0
};

__device__ Window window_of(const AssembleParams& p) {
  Window w;
  w.b = simt::block_x();
  const core::SampleRef sample = p.samples[w.b];
  const std::int64_t segment_number = sample.window.segment;
  if (segment_number < 0 || segment_number >= p.num_segments) simt::trap();
  if (sample.cell < -1 || sample.cell >= p.num_cells) simt::trap();
  const core::SegmentView segment = p.segments[segment_number];
  w.offset_bp = sample.window.offset_bp;
  const std::int64_t length = p.tokens.window_bp();
  if (w.offset_bp < 0 || w.offset_bp + length > segment.length_bp) simt::trap();
  w.bases = {segment.bases + w.offset_bp, length, sample.strand};
  w.states = sample.cell < 0 ? nullptr : segment.states[sample.cell];
  w.draws = {p.state->seed, p.state->first_slot + static_cast<std::uint64_t>(w.b)};
  w.ids = p.token_ids + w.b * p.tokens.length + 1;
  w.types = p.type_ids + w.b * p.tokens.length + 1;
  return w;
}

__device__ void show_tokens(const AssembleParams& p, const Window& w) {
  const std::int32_t n = p.tokens.dna_tokens();
  for (std::int32_t i = thread(); i < n; i += simt::num_threads()) {
    w.ids[i] = kmer_id(w.bases, std::int64_t{i} * p.tokens.stride, p.tokens.k);
  }
  if (thread() == 0) {
    w.ids[-1] = kCls;
    w.ids[n] = kSep;
  }
}

// --- DNA targets

/// A block with an unknown k-mer, or beside one, is no candidate; neither is one in a repeat where
/// these are excluded.
__device__ bool is_candidate(const AssembleParams& p, const Window& w, std::int32_t start) {
  const SpanPlan& plan = p.plan;
  for (std::int32_t i = start - plan.guard; i < start + plan.tokens + plan.guard; ++i) {
    if (w.ids[i] == kUnknown) return false;
  }
  return p.masks.repeats != Repeats::exclude || !block_in_repeat(w.bases, p.tokens, plan, start);
}

/// Fills words and candidates; the number of candidates is added to arena.sums[0].
__device__ void draw_keys(const AssembleParams& p, const Window& w, const Arena& arena,
                          std::int32_t first, std::int32_t blocks) {
  std::int32_t mine = 0;
  for (std::int32_t block = thread(); block < blocks; block += simt::num_threads()) {
    const bool is = is_candidate(p, w, first + block * p.plan.period);
    arena.candidates[block] = is ? 1 : 0;
    arena.words[block] =
        w.draws.words(core::RandomUse::dna_mask, static_cast<std::uint32_t>(block), 0)[0];
    mine += is ? 1 : 0;
  }
  simt::atomic_add(&arena.sums[0], mine);
}

/// Token `i` of a random span that starts at `start`: its hidden bases are replaced.
__device__ std::int32_t random_token(const AssembleParams& p, const Window& w, std::uint32_t block,
                                     std::int32_t start, std::int32_t i) {
  const std::int64_t end = std::int64_t{start + p.plan.tokens} * p.tokens.stride;
  const std::int64_t begin = end - p.plan.hidden_bases;
  const auto shown = [&](std::int64_t j) {
    const bool hidden = j >= begin && j < end;
    return hidden ? w.draws.random_base(block, static_cast<std::uint32_t>(j - begin)) : w.bases(j);
  };
  return kmer_id(shown, std::int64_t{i} * p.tokens.stride, p.tokens.k);
}

/// Sets the targets of the chosen spans and clears the slots that are left.
__device__ void set_dna_targets(const AssembleParams& p, const Window& w, const Arena& arena,
                                std::int32_t first, std::int32_t chosen) {
  const std::int64_t slots = w.b * p.dna_slots;
  std::int32_t repeats = 0;
  for (std::int32_t slot = thread(); slot < p.dna_slots; slot += simt::num_threads()) {
    if (slot >= chosen * p.plan.tokens) {
      p.dna.set(slots + slot, 0, 0, 0.0F);
      continue;
    }
    const auto block = static_cast<std::int32_t>(arena.words[slot / p.plan.tokens]);
    const std::int32_t i = first + block * p.plan.period + slot % p.plan.tokens;
    const bool repeat = in_repeat(w.bases, p.tokens, i);
    repeats += repeat ? 1 : 0;
    p.dna.set(slots + slot, w.b * p.tokens.length + 1 + i, w.ids[i],
              repeat ? p.masks.weight_in_repeats() : 1.0F);
  }
  simt::atomic_add(&arena.sums[kRepeatTargets], repeats);
}

/// Hides the targets' tokens: each thread those whose labels it has read.
__device__ void show_spans(const AssembleParams& p, const Window& w, const Arena& arena,
                           std::int32_t first, std::int32_t chosen) {
  for (std::int32_t slot = thread(); slot < chosen * p.plan.tokens; slot += simt::num_threads()) {
    const std::uint32_t block = arena.words[slot / p.plan.tokens];
    const std::int32_t start = first + static_cast<std::int32_t>(block) * p.plan.period;
    const std::int32_t i = start + slot % p.plan.tokens;
    const SpanShown shown =
        span_shown(p.masks, w.draws.words(core::RandomUse::dna_mask, block, 0)[1]);
    if (shown == SpanShown::mask) w.ids[i] = kMask;
    if (shown == SpanShown::random) w.ids[i] = random_token(p, w, block, start, i);
  }
}

__device__ void hide_dna(const AssembleParams& p, const Window& w, const Arena& arena) {
  const std::int32_t first = w.draws.first_block(p.plan);
  const std::int32_t blocks = num_blocks(p.plan, p.tokens.dna_tokens(), first);
  draw_keys(p, w, arena, first, blocks);
  sync_block();
  const std::int32_t candidates = arena.sums[0];
  const std::int32_t chosen = candidates < p.plan.spans ? candidates : p.plan.spans;
  sync_block();
  const std::uint64_t last =
      chosen < candidates ? last_chosen_key(arena, blocks, chosen) : ~std::uint64_t{0};
  list_chosen(arena, blocks, last);
  set_dna_targets(p, w, arena, first, chosen);
  show_spans(p, w, arena, first, chosen);
  if (thread() == 0) {
    arena.sums[kDnaTargets] = chosen * p.plan.tokens;
    arena.sums[kHiddenBases] = chosen * p.plan.hidden_bases;
  }
}

// --- states

/// Of the DNA tokens whose centre lies in bin `bin` of the segment the one nearest to its middle,
/// the first of two; kNoToken where there is none.
__device__ std::int32_t nearest_token(const AssembleParams& p, const Window& w, std::int64_t bin) {
  const std::int64_t stride = p.tokens.stride;
  // Centres are at offset + k/2 + i stride, or so from the other end; in either case those of the
  // bin are tokens whose centre counts from `low` to `high` in the orientation shown.
  std::int64_t low = bin * p.bin_bp - w.offset_bp;
  std::int64_t high = low + p.bin_bp - 1;
  if (w.bases.strand == core::Strand::reverse) {
    const std::int64_t turned = w.bases.length - 1 - high;
    high = w.bases.length - 1 - low;
    low = turned;
  }
  low -= p.tokens.centre_bp(0);
  high -= p.tokens.centre_bp(0);
  const std::int64_t n = p.tokens.dna_tokens();
  const std::int64_t past = high < 0 ? 0 : high / stride + 1;
  std::int32_t nearest = kNoToken;
  std::int64_t smallest = 0;
  for (std::int64_t i = low <= 0 ? 0 : (low + stride - 1) / stride; i < past && i < n; ++i) {
    const std::int64_t centre =
        w.offset_bp + w.bases.position(p.tokens.centre_bp(static_cast<std::int32_t>(i)));
    const std::int64_t off = 2 * (centre - bin * p.bin_bp) - (p.bin_bp - 1);  // in half bases
    const std::int64_t distance = off < 0 ? -off : off;
    if (nearest != kNoToken && distance >= smallest) continue;
    nearest = static_cast<std::int32_t>(i);
    smallest = distance;
  }
  return nearest;
}

/// Types of all tokens; without a track all are missing.
__device__ void show_types(const AssembleParams& p, const Window& w, const Arena& arena,
                           std::int64_t first_bin, bool known) {
  const std::int32_t n = p.tokens.dna_tokens();
  for (std::int32_t i = thread(); i < n; i += simt::num_threads()) {
    std::int32_t type = core::kStateMissing;
    if (known) {
      const std::int64_t centre = w.offset_bp + w.bases.position(p.tokens.centre_bp(i));
      const std::int64_t bin = centre / p.bin_bp;
      type = arena.hidden[bin - first_bin] != 0 ? p.num_states + 1 : w.states[bin];
    }
    w.types[i] = type;
  }
  if (thread() == 0) w.types[-1] = w.types[n] = core::kStateMissing;
}

/// Targets in the order of bins, and empty slots after them. One warp calls it.
__device__ void set_state_targets(const AssembleParams& p, const Window& w, const Arena& arena,
                                  std::int64_t first_bin, std::int32_t bins) {
  const std::int64_t slots = w.b * p.state_slots;
  std::int32_t used = 0;
  for (std::int32_t from = 0; from < bins; from += simt::kWarp) {
    const std::int32_t local = from + simt::lane();
    std::int32_t token = kNoToken;
    std::int32_t state = core::kStateMissing;
    if (local < bins && arena.hidden[local] != 0) {
      token = nearest_token(p, w, first_bin + local);
      state = w.states[first_bin + local];
    }
    const bool target = token != kNoToken && state != core::kStateMissing;
    const std::uint32_t votes = simt::ballot(target);
    const std::uint32_t before = votes & ((1U << static_cast<unsigned>(simt::lane())) - 1U);
    if (target) {
      p.bins.set(slots + used + simt::count_bits(before), w.b * p.tokens.length + 1 + token,
                 state - 1, 1.0F);
    }
    used += simt::count_bits(votes);
  }
  for (std::int32_t slot = used + simt::lane(); slot < p.state_slots; slot += simt::kWarp) {
    p.bins.set(slots + slot, 0, 0, 0.0F);
  }
  if (simt::lane() == 0) arena.sums[kStateTargets] = used;
}

// --- the whole window

constexpr std::uint32_t kMostThreads = 512;

__global__ void __launch_bounds__(kMostThreads, 1) assemble_kernel(AssembleParams p) {
  const Window w = window_of(p);
  const Arena arena = arena_of(p.shape);
  const std::int64_t first_bin = w.offset_bp / p.bin_bp;
  const auto bins =
      static_cast<std::int32_t>((w.offset_bp + w.bases.length - 1) / p.bin_bp - first_bin + 1);
  const bool known = w.states != nullptr && !w.draws.track_is_dropped(p.masks);
  for (std::int32_t i = thread(); i < bins; i += simt::num_threads()) arena.hidden[i] = 0;
  if (thread() < static_cast<int>(kNumCounts)) arena.sums[thread()] = 0;
  sync_block();
  // One draw decides where the next falls, so this is one thread's work, beside that of the others.
  if (thread() == simt::num_threads() - 1 && known) {
    hide_bins(w.draws, p.masks, bins, hidden_bins(p.masks, bins), arena.hidden);
  }
  show_tokens(p, w);
  sync_block();
  if (p.plan.spans > 0) hide_dna(p, w, arena);
  show_types(p, w, arena, first_bin, known);
  if (simt::warp() == 0 && p.state_slots > 0) {
    set_state_targets(p, w, arena, first_bin, known ? bins : 0);
  }
  sync_block();
  if (thread() < static_cast<int>(kNumCounts)) {
    simt::atomic_add(p.counts + thread(), std::int64_t{arena.sums[thread()]});
  }
}

template <class T>
T* elements(const View& view) {
  return view ? view.as<T>() : nullptr;
}

}  // namespace

AssembleShape assemble_shape(const TokenSpec& tokens, const MaskSpec& masks, std::int32_t bin_bp) {
  const SpanPlan plan = plan_spans(tokens, masks);
  return {.most_blocks = num_blocks(plan, tokens.dna_tokens(), plan.guard),
          .most_bins = static_cast<std::int32_t>(tokens.window_bp() / bin_bp + 2)};
}

Launch assemble_launch(std::int64_t windows, const TokenSpec& tokens, const AssembleShape& shape) {
  constexpr std::size_t kWords = kDigits + simt::kWarp + 2 + kNumCounts;
  const auto blocks = static_cast<std::size_t>(shape.most_blocks);
  const std::uint32_t warps = blocks_for(tokens.dna_tokens(), simt::kWarp);
  return {.grid_x = static_cast<std::uint32_t>(windows),
          .threads = std::min(warps * simt::kWarp, kMostThreads),
          .shared_bytes = (blocks + kWords) * sizeof(std::uint32_t) + blocks +
                          static_cast<std::size_t>(shape.most_bins)};
}

void assemble(const AssembleArgs& args, const Context& context) {
  const AssembleShape shape = assemble_shape(args.tokens, args.masks, args.corpus->bin_bp);
  const auto windows = static_cast<std::int64_t>(args.samples.size());
  const Launch launch = assemble_launch(windows, args.tokens, shape);
  if (launch.shared_bytes > context.limits.shared_bytes) {
    throw core::DeviceError("windows of " + std::to_string(args.tokens.length) + " tokens need " +
                            std::to_string(launch.shared_bytes) +
                            " bytes of a block's shared memory, the device has " +
                            std::to_string(context.limits.shared_bytes) + ": use shorter windows");
  }
  const AssembleParams params{
      .segments = args.corpus->segments.data(),
      .samples = args.samples.data(),
      .state = args.state,
      .num_segments = static_cast<std::int64_t>(args.corpus->segments.size()),
      .num_cells = args.corpus->num_cells,
      .num_states = args.corpus->num_states,
      .bin_bp = args.corpus->bin_bp,
      .tokens = args.tokens,
      .masks = args.masks,
      .plan = plan_spans(args.tokens, args.masks),
      .shape = shape,
      .dna_slots = static_cast<std::int32_t>(dna_slots(args.tokens, args.masks)),
      .state_slots =
          static_cast<std::int32_t>(state_slots(args.tokens, args.masks, args.corpus->bin_bp)),
      .token_ids = args.token_ids.as<std::int32_t>(),
      .type_ids = args.type_ids.as<std::int32_t>(),
      .dna = {elements<std::int32_t>(args.dna_rows), elements<std::int32_t>(args.dna_labels),
              elements<float>(args.dna_weights)},
      .bins = {elements<std::int32_t>(args.state_rows), elements<std::int32_t>(args.state_labels),
               elements<float>(args.state_weights)},
      .counts = args.counts.as<std::int64_t>()};
  simt::launch(assemble_kernel, launch, context.stream, params);
}

}  // namespace epi::kernels::cuda
