// What the kernels of all optimizers share: how a step's numbers come from its state, how a block
// finds the tensors in its stretch of the flat block, and how moments follow a gradient.
#pragma once

#include <bit>

#include "kernels/cuda/cuda_kernels.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

inline constexpr int kUpdateThreads = 256;
inline constexpr int kPerWords = 4;
inline constexpr int kUpdateRounds = 4;
inline constexpr std::int64_t kUpdatesOfRound = kUpdateThreads * kPerWords;
inline constexpr std::int64_t kUpdatesOfBlock = kUpdatesOfRound * kUpdateRounds;

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

/// LAMB's kernels; the operands are as AdamW's. `aligned` says whether all arrays allow accesses of
/// 16 bytes.
void update_by_lamb(const UpdateParams& params, bool aligned, const Context& context);

/// What all elements share.
struct UpdateStep {
  float clip;
  float beta1, rest1;
  float beta2, rest2;
  float inverse_correction1, inverse_correction2;
  float learning_rate;
  float epsilon;
};

/// The moments of one parameter.
struct Moments {
  float m, v;
};

__device__ inline Moments followed(const UpdateStep& step, Moments was, float gradient_before) {
  const float gradient = gradient_before * step.clip;
  return {step.beta1 * was.m + step.rest1 * gradient,
          step.beta2 * was.v + step.rest2 * gradient * gradient};
}

/// u of UpdateArgs: what the learning rate multiplies.
__device__ inline float direction(const UpdateStep& step, Moments now, float p, float decay) {
  const float scale = sqrtf(now.v * step.inverse_correction2) + step.epsilon;
  return now.m * step.inverse_correction1 / scale + decay * p;
}

/// In double, as the sum of squares comes; only the factor is rounded.
__device__ inline float clip_of(const StepState& state) {
  if (state.max_gradient_norm <= 0.0F) return 1.0F;
  constexpr double kTiny = 1e-6;  // as torch.nn.utils.clip_grad_norm_
  const double factor =
      double{state.max_gradient_norm} / (sqrt(state.gradient_sum_squares) + kTiny);
  return factor < 1.0 ? static_cast<float>(factor) : 1.0F;
}

__device__ inline UpdateStep step_of(const UpdateParams& p, float clip) {
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

/// The same in all threads of a block. Roots and quotients in double are slow on many GPUs: one
/// thread has them, and leaves the factor at the arena's start.
__device__ inline UpdateStep step_of_block(const UpdateParams& p) {
  auto* clip = reinterpret_cast<float*>(simt::shared());
  if (simt::thread() == 0) *clip = clip_of(*p.state);
  simt::sync_block();
  const UpdateStep step = step_of(p, *clip);
  simt::sync_block();
  return step;
}

/// Whether the step is applied: every block decides from the sum of squares alone.
__device__ inline bool is_applied(const UpdateParams& p) {
  return fabs(p.state->gradient_sum_squares) < INFINITY;
}

/// The grid's first thread notes whether the step is applied, and counts it.
__device__ inline void note_step(const UpdateParams& p, bool applied) {
  if (simt::block_x() != 0 || simt::thread() != 0) return;
  p.state->skipped = applied ? 0 : 1;
  if (applied && p.updates != nullptr) ++*p.updates;
}

__device__ inline std::int64_t end_of(const ParameterSlice& slice) {
  return slice.offset + slice.size;
}

/// The first slice that ends after element `place`; num_slices if none does.
__device__ inline std::int64_t slice_at(const UpdateParams& p, std::int64_t place) {
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

}  // namespace epi::kernels::cuda
