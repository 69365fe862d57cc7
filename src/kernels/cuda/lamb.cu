// LAMB over the flat parameter block: the moments and the norms of each tensor, the trust ratios,
// the parameters. Bound by memory: 42 bytes a parameter with the rounded copy, since the ratio of a
// tensor must be known before its first parameter moves; the direction is computed anew rather than
// kept, for keeping it would cost 8 bytes and a block of memory.
//
// Blocks have fixed pieces of the block of parameters, as AdamW's. Where piece and tensor meet
// leaves one part of the tensor's norms, at place piece + tensor: along the block one of the two
// rises at each meeting, so no two share a place. Parts are added in order, so the bits depend
// neither on the device nor on where arrays begin.
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/sums.cuh"
#include "kernels/cuda/update_step.cuh"

namespace epi::kernels::cuda {
namespace {

using simt::Words;

constexpr std::size_t kRoom = kUpdateThreads / simt::kWarp * sizeof(double);  // of a block's sum

/// Sums of squares over a tensor, or over a part of it.
struct Norms {
  double parameters, directions;
};

struct LambParams {
  UpdateParams update;
  Norms* parts;   // [pieces + slices]
  float* ratios;  // [slices]
};

/// What of a tensor lies in a block's piece.
struct Stretch {
  std::int64_t first, last;
  [[nodiscard]] __device__ bool holds(std::int64_t i) const { return i >= first && i < last; }
};

struct Four {
  float x[kPerWords];
};

/// Elements i..i+3 as far as the stretch holds them; at once where `whole`.
__device__ Four load_four(const float* from, std::int64_t i, const Stretch& stretch, bool whole) {
  Four four;
  if (whole) {
    const Words words = simt::load_words_once(from + i);
    for (int j = 0; j < kPerWords; ++j) four.x[j] = std::bit_cast<float>(words.w[j]);
    return four;
  }
  for (int j = 0; j < kPerWords; ++j) four.x[j] = stretch.holds(i + j) ? from[i + j] : 0.0F;
  return four;
}

__device__ void store_four(float* to, std::int64_t i, const Four& four, const Stretch& stretch,
                           bool whole) {
  if (whole) {
    Words words;
    for (int j = 0; j < kPerWords; ++j) words.w[j] = std::bit_cast<std::uint32_t>(four.x[j]);
    return simt::store_words_once(to + i, words);
  }
  for (int j = 0; j < kPerWords; ++j) {
    if (stretch.holds(i + j)) to[i + j] = four.x[j];
  }
}

__device__ void store_parameters(const UpdateParams& p, std::int64_t i, const Four& values,
                                 const Stretch& stretch, bool whole) {
  store_four(p.parameters, i, values, stretch, whole);
  if (p.weights == nullptr) return;
  if (whole) {
    const std::uint64_t low = simt::pack_bf16(values.x[0], values.x[1]);
    const std::uint64_t high = simt::pack_bf16(values.x[2], values.x[3]);
    *reinterpret_cast<std::uint64_t*>(p.weights + i) = low | high << 32U;
    return;
  }
  for (int j = 0; j < kPerWords; ++j) {
    if (stretch.holds(i + j)) p.weights[i + j] = simt::narrow<core::BFloat16>(values.x[j]);
  }
}

/// Calls body(i, whole) for this thread's fours that touch the stretch, in order.
template <bool kAligned, class Body>
__device__ void for_fours(std::int64_t begin, const Stretch& stretch, const Body& body) {
  for (int round = 0; round < kUpdateRounds; ++round) {
    const std::int64_t i = begin + round * kUpdatesOfRound + simt::thread() * kPerWords;
    if (i >= stretch.last || i + kPerWords <= stretch.first) continue;
    body(i, kAligned && i >= stretch.first && i + kPerWords <= stretch.last);
  }
}

/// Calls body(slice, stretch) for each tensor that has elements in this block's piece; the same
/// ones in all threads.
template <class Body>
__device__ void for_stretches(const UpdateParams& p, std::int64_t begin, const Body& body) {
  const std::int64_t piece_end = begin + kUpdatesOfBlock;
  const std::int64_t end = piece_end < p.count ? piece_end : p.count;
  for (std::int64_t s = slice_at(p, begin); s < p.num_slices && p.slices[s].offset < end; ++s) {
    const std::int64_t offset = p.slices[s].offset;
    const std::int64_t slice_end = end_of(p.slices[s]);
    const Stretch stretch{offset > begin ? offset : begin, slice_end < end ? slice_end : end};
    if (stretch.first < stretch.last) body(s, stretch);
  }
}

/// New moments of four elements. Where the tensor decays its parameters wait for the ratio, and the
/// squares are added to `norms`; else they move at once, as with AdamW.
__device__ void follow_four(const UpdateParams& p, const UpdateStep& step, std::int64_t i,
                            const Stretch& stretch, bool whole, bool decays, Norms& norms) {
  Four values = load_four(p.parameters, i, stretch, whole);
  const Four gradients = load_four(p.gradients, i, stretch, whole);
  Four moment1 = load_four(p.moment1, i, stretch, whole);
  Four moment2 = load_four(p.moment2, i, stretch, whole);
  for (int j = 0; j < kPerWords; ++j) {
    if (!stretch.holds(i + j)) continue;
    const Moments now = followed(step, {moment1.x[j], moment2.x[j]}, gradients.x[j]);
    moment1.x[j] = now.m;
    moment2.x[j] = now.v;
    const float u = direction(step, now, values.x[j], decays ? p.weight_decay : 0.0F);
    if (decays) {
      norms.parameters += double{values.x[j]} * double{values.x[j]};
      norms.directions += double{u} * double{u};
    } else {
      values.x[j] -= step.learning_rate * u;
    }
  }
  store_four(p.moment1, i, moment1, stretch, whole);
  store_four(p.moment2, i, moment2, stretch, whole);
  if (!decays) store_parameters(p, i, values, stretch, whole);
}

template <bool kAligned>
__global__ void __launch_bounds__(kUpdateThreads) lamb_moments_kernel(LambParams job) {
  const UpdateParams& p = job.update;
  const bool applied = is_applied(p);
  note_step(p, applied);
  if (!applied) return;
  const UpdateStep step = step_of_block(p);
  const std::int64_t begin = simt::block_x() * kUpdatesOfBlock;
  for_stretches(p, begin, [&](std::int64_t slice, const Stretch& stretch) {
    const bool decays = p.slices[slice].decay;
    Norms norms{};
    for_fours<kAligned>(begin, stretch, [&](std::int64_t i, bool whole) {
      follow_four(p, step, i, stretch, whole, decays, norms);
    });
    if (!decays) return;
    auto* const room = reinterpret_cast<double*>(simt::shared());
    norms.parameters = block_sum(norms.parameters, room);
    norms.directions = block_sum(norms.directions, room);
    if (simt::thread() == 0) job.parts[simt::block_x() + slice] = norms;
  });
}

/// One block a tensor: |p| / |u| from the parts.
__global__ void __launch_bounds__(kUpdateThreads) trust_ratio_kernel(LambParams job) {
  const std::int64_t s = simt::block_x();
  const ParameterSlice slice = job.update.slices[s];
  if (!is_applied(job.update) || !slice.decay || slice.size == 0) return;
  Norms norms{};
  const std::int64_t last = (end_of(slice) - 1) / kUpdatesOfBlock;
  std::int64_t piece = slice.offset / kUpdatesOfBlock + simt::thread();
  for (; piece <= last; piece += simt::num_threads()) {
    norms.parameters += job.parts[piece + s].parameters;
    norms.directions += job.parts[piece + s].directions;
  }
  auto* const room = reinterpret_cast<double*>(simt::shared());
  norms.parameters = block_sum(norms.parameters, room);
  norms.directions = block_sum(norms.directions, room);
  if (simt::thread() != 0) return;
  const bool usable = norms.parameters > 0.0 && norms.directions > 0.0;
  job.ratios[s] =
      usable ? static_cast<float>(sqrt(norms.parameters) / sqrt(norms.directions)) : 1.0F;
}

template <bool kAligned>
__global__ void __launch_bounds__(kUpdateThreads) lamb_parameters_kernel(LambParams job) {
  const UpdateParams& p = job.update;
  if (!is_applied(p)) return;
  const UpdateStep step = step_of(p, 1.0F);  // the gradient, and so its clip, is in the moments
  const std::int64_t begin = simt::block_x() * kUpdatesOfBlock;
  for_stretches(p, begin, [&](std::int64_t slice, const Stretch& stretch) {
    if (!p.slices[slice].decay) return;
    const float rate = step.learning_rate * job.ratios[slice];
    for_fours<kAligned>(begin, stretch, [&](std::int64_t i, bool whole) {
      Four values = load_four(p.parameters, i, stretch, whole);
      const Four moment1 = load_four(p.moment1, i, stretch, whole);
      const Four moment2 = load_four(p.moment2, i, stretch, whole);
      for (int j = 0; j < kPerWords; ++j) {
        if (!stretch.holds(i + j)) continue;
        const Moments now{moment1.x[j], moment2.x[j]};
        values.x[j] -= rate * direction(step, now, values.x[j], p.weight_decay);
      }
      store_parameters(p, i, values, stretch, whole);
    });
  });
}

}  // namespace

void update_by_lamb(const UpdateParams& params, bool aligned, const Context& context) {
  const std::uint32_t pieces = blocks_for(params.count, kUpdatesOfBlock);
  const std::int64_t parts = pieces + params.num_slices;
  context.scratch.begin(Scratch::bytes<Norms>(parts) + Scratch::bytes<float>(params.num_slices));
  const LambParams job{params, context.scratch.take<Norms>(parts),
                       context.scratch.take<float>(params.num_slices)};
  const Launch over_block{.grid_x = pieces, .threads = kUpdateThreads, .shared_bytes = kRoom};
  simt::launch(aligned ? lamb_moments_kernel<true> : lamb_moments_kernel<false>, over_block,
               context.stream, job);
  if (params.num_slices == 0) return;
  const auto slices = static_cast<std::uint32_t>(params.num_slices);
  simt::launch(trust_ratio_kernel,
               {.grid_x = slices, .threads = kUpdateThreads, .shared_bytes = kRoom}, context.stream,
               job);
  simt::launch(aligned ? lamb_parameters_kernel<true> : lamb_parameters_kernel<false>,
               {.grid_x = pieces, .threads = kUpdateThreads}, context.stream, job);
}

}  // namespace epi::kernels::cuda
