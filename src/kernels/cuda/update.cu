// AdamW over the flat parameter block, in one pass. Bound by memory: 30 bytes a parameter with the
// rounded copy, by 16 bytes at a time. Blocks have fixed pieces of the block of parameters, not
// tensors, and find in the table of slices which of them decay and which elements are padding.
// Every block decides from the sum of squares alone whether the step is skipped; the first one
// notes it. LAMB, which needs norms first, is in lamb.cu.
#include "kernels/cuda/update_step.cuh"
#include "kernels/cuda/uploads.hpp"

namespace epi::kernels::cuda {
namespace {

using simt::Words;

/// One parameter and its moments.
struct Parameter {
  float p, m, v;
};

__device__ Parameter updated(const UpdateStep& step, Parameter was, float gradient, float decay) {
  const Moments now = followed(step, {was.m, was.v}, gradient);
  return {was.p - step.learning_rate * direction(step, now, was.p, decay), now.m, now.v};
}

/// Where slices meet, in holes and at the end: element by element. `slice` as for slice_at(i).
__device__ void update_some(const UpdateParams& p, const UpdateStep& step, std::int64_t i,
                            std::int64_t slice) {
  for (const std::int64_t end = i + kPerWords; i < end && i < p.count; ++i) {
    while (slice < p.num_slices && end_of(p.slices[slice]) <= i) ++slice;
    if (slice == p.num_slices || i < p.slices[slice].offset) continue;
    const float decay = p.slices[slice].decay ? p.weight_decay : 0.0F;
    const Parameter now =
        updated(step, {p.parameters[i], p.moment1[i], p.moment2[i]}, p.gradients[i], decay);
    p.parameters[i] = now.p;
    p.moment1[i] = now.m;
    p.moment2[i] = now.v;
    if (p.weights != nullptr) p.weights[i] = simt::narrow<core::BFloat16>(now.p);
  }
}

/// Elements i..i+3 of one slice, aligned.
__device__ void update_four(const UpdateParams& p, const UpdateStep& step, std::int64_t i,
                            float decay) {
  Words parameters = simt::load_words_once(p.parameters + i);
  const Words gradients = simt::load_words_once(p.gradients + i);
  Words moment1 = simt::load_words_once(p.moment1 + i);
  Words moment2 = simt::load_words_once(p.moment2 + i);
  float values[kPerWords];
  for (int j = 0; j < kPerWords; ++j) {
    const Parameter now =
        updated(step,
                {std::bit_cast<float>(parameters.w[j]), std::bit_cast<float>(moment1.w[j]),
                 std::bit_cast<float>(moment2.w[j])},
                std::bit_cast<float>(gradients.w[j]), decay);
    values[j] = now.p;
    parameters.w[j] = std::bit_cast<std::uint32_t>(now.p);
    moment1.w[j] = std::bit_cast<std::uint32_t>(now.m);
    moment2.w[j] = std::bit_cast<std::uint32_t>(now.v);
  }
  simt::store_words_once(p.parameters + i, parameters);
  simt::store_words_once(p.moment1 + i, moment1);
  simt::store_words_once(p.moment2 + i, moment2);
  if (p.weights == nullptr) return;
  const std::uint64_t low = simt::pack_bf16(values[0], values[1]);
  const std::uint64_t high = simt::pack_bf16(values[2], values[3]);
  *reinterpret_cast<std::uint64_t*>(p.weights + i) = low | high << 32U;
}

template <bool kAligned>
__global__ void __launch_bounds__(kUpdateThreads) update_kernel(UpdateParams p) {
  const bool applied = is_applied(p);
  note_step(p, applied);
  if (!applied) return;
  const UpdateStep step = step_of_block(p);
  const std::int64_t begin = simt::block_x() * kUpdatesOfBlock;
  std::int64_t slice = slice_at(p, begin);
  for (int round = 0; round < kUpdateRounds; ++round) {
    const std::int64_t i = begin + round * kUpdatesOfRound + simt::thread() * kPerWords;
    while (slice < p.num_slices && end_of(p.slices[slice]) <= i) ++slice;
    if (i >= p.count || slice == p.num_slices) return;
    const ParameterSlice here = p.slices[slice];
    if (kAligned && i >= here.offset && i + kPerWords <= end_of(here)) {
      update_four(p, step, i, here.decay ? p.weight_decay : 0.0F);
    } else {
      update_some(p, step, i, slice);
    }
  }
}

/// Whether all arrays allow accesses of 16 bytes.
bool aligned(const UpdateParams& p) {
  const auto of = [](const void* array) { return reinterpret_cast<std::uintptr_t>(array); };
  const std::uintptr_t all = of(p.parameters) | of(p.gradients) | of(p.moment1) | of(p.moment2);
  return all % sizeof(Words) == 0 && of(p.weights) % sizeof(std::uint64_t) == 0;
}

}  // namespace

void update(const UpdateArgs& args, const Context& context) {
  const UpdateParams params{args.slices.empty() ? nullptr : context.uploads.find(args.slices),
                            static_cast<std::int64_t>(args.slices.size()),
                            args.parameters.as<float>(),
                            args.gradients.as<float>(),
                            args.moment1.as<float>(),
                            args.moment2.as<float>(),
                            args.weights ? args.weights.as<core::BFloat16>() : nullptr,
                            args.updates ? args.updates.as<std::int64_t>() : nullptr,
                            args.parameters.size(),
                            args.beta1,
                            args.beta2,
                            args.epsilon,
                            args.weight_decay,
                            args.state};
  if (args.optimizer == Optimizer::lamb) return update_by_lamb(params, aligned(params), context);
  simt::launch(aligned(params) ? update_kernel<true> : update_kernel<false>,
               {.grid_x = blocks_for(params.count, kUpdatesOfBlock),
                .threads = kUpdateThreads,
                .shared_bytes = sizeof(float)},
               context.stream, params);
}

}  // namespace epi::kernels::cuda
