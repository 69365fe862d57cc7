// AdamW over the flat parameter block, in one pass. Bound by memory: 30 bytes a parameter with the
// rounded copy, by 16 bytes at a time. Blocks have fixed pieces of the block of parameters, not
// tensors, and find in the table of slices which of them decay and which elements are padding.
// Every block decides from the sum of squares alone whether the step is skipped; the first one
// notes it.
#include <bit>

#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/uploads.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

using simt::Words;

constexpr int kThreads = 256;
constexpr int kPerWords = 4;
constexpr int kRounds = 4;
constexpr std::int64_t kElementsOfRound = kThreads * kPerWords;
constexpr std::int64_t kElementsOfBlock = kElementsOfRound * kRounds;

struct UpdateParams {
  const ParameterSlice* slices;  // ascending
  std::int64_t num_slices;
  float* parameters;
  const float* gradients;
  float* moment1;
  float* moment2;
  core::BFloat16* weights;  // or null
  std::int64_t* updates;    // or null
  std::int64_t count;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;
  StepState* state;
};

/// What all elements share.
struct Step {
  float clip;
  float beta1, rest1;
  float beta2, rest2;
  float inverse_correction1, inverse_correction2;
  float learning_rate;
  float epsilon;
};

/// One parameter and its moments.
struct Parameter {
  float p, m, v;
};

__device__ Parameter updated(const Step& step, Parameter was, float gradient_before, float decay) {
  const float gradient = gradient_before * step.clip;
  const float m = step.beta1 * was.m + step.rest1 * gradient;
  const float v = step.beta2 * was.v + step.rest2 * gradient * gradient;
  const float scale = sqrtf(v * step.inverse_correction2) + step.epsilon;
  const float change = m * step.inverse_correction1 / scale + decay * was.p;
  return {was.p - step.learning_rate * change, m, v};
}

/// In double, as the sum of squares comes; only the factor is rounded.
__device__ float clip_of(const StepState& state) {
  if (state.max_gradient_norm <= 0.0F) return 1.0F;
  constexpr double kTiny = 1e-6;  // as torch.nn.utils.clip_grad_norm_
  const double factor =
      double{state.max_gradient_norm} / (sqrt(state.gradient_sum_squares) + kTiny);
  return factor < 1.0 ? static_cast<float>(factor) : 1.0F;
}

__device__ Step step_of(const UpdateParams& p, float clip) {
  return {clip,
          p.beta1,
          1.0F - p.beta1,
          p.beta2,
          1.0F - p.beta2,
          1.0F / p.state->bias_correction1,
          1.0F / p.state->bias_correction2,
          p.state->learning_rate,
          p.epsilon};
}

__device__ std::int64_t end_of(const ParameterSlice& slice) {
  return slice.offset + slice.size;
}

/// The first slice that ends after element `place`; num_slices if none does.
__device__ std::int64_t slice_at(const UpdateParams& p, std::int64_t place) {
  std::int64_t low = 0;
  std::int64_t high = p.num_slices;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (end_of(p.slices[middle]) <= place) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// Where slices meet, in holes and at the end: element by element. `slice` as for slice_at(i).
__device__ void update_some(const UpdateParams& p, const Step& step, std::int64_t i,
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
__device__ void update_four(const UpdateParams& p, const Step& step, std::int64_t i, float decay) {
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

__device__ bool is_finite(double value) {
  return fabs(value) < INFINITY;
}

template <bool kAligned>
__global__ void __launch_bounds__(kThreads) update_kernel(UpdateParams p) {
  const bool applied = is_finite(p.state->gradient_sum_squares);
  if (simt::block_x() == 0 && simt::thread() == 0) {
    p.state->skipped = applied ? 0 : 1;
    if (applied && p.updates != nullptr) ++*p.updates;
  }
  if (!applied) return;
  // Roots and quotients in double are slow on many GPUs: one thread has them.
  auto* clip = reinterpret_cast<float*>(simt::shared());
  if (simt::thread() == 0) *clip = clip_of(*p.state);
  simt::sync_block();
  const Step step = step_of(p, *clip);
  const std::int64_t begin = simt::block_x() * kElementsOfBlock;
  std::int64_t slice = slice_at(p, begin);
  for (int round = 0; round < kRounds; ++round) {
    const std::int64_t i = begin + round * kElementsOfRound + simt::thread() * kPerWords;
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
  simt::launch(aligned(params) ? update_kernel<true> : update_kernel<false>,
               {.grid_x = blocks_for(params.count, kElementsOfBlock),
                .threads = kThreads,
                .shared_bytes = sizeof(float)},
               context.stream, params);
}

}  // namespace epi::kernels::cuda
