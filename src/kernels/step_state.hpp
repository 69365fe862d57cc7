// What changes between steps. Ops read it through a pointer in device memory, never as a scalar
// argument, so that a recorded step (one CUDA graph) can be replayed unchanged.
#pragma once

#include <array>
#include <cstdint>

namespace epi::kernels {

/// Terms of the training loss; also the index of their normaliser in StepState.
enum class LossTerm : std::uint8_t { dna, state, task };
inline constexpr int kNumLossTerms = 3;

struct StepState {
  std::uint64_t seed = 0;
  std::uint64_t first_slot = 0;  ///< global sample number of row 0 of this micro-batch
  std::int64_t step = 0;         ///< optimizer step, counted from 1
  float learning_rate = 0.0F;
  float bias_correction1 = 1.0F;  ///< 1 - beta1^step
  float bias_correction2 = 1.0F;  ///< 1 - beta2^step
  /// Factor on each term's gradient: weight of the term / global number of its targets in the step;
  /// 0 when there are none.
  std::array<float, kNumLossTerms> loss_scale{};
  double gradient_sum_squares = 0.0;  ///< of the whole summed gradient, written by sum_squares
  float max_gradient_norm = 0.0F;     ///< clipping bound; 0: never clip
  std::int32_t skipped = 0;           ///< written by update: 1 if the step was not applied
};

}  // namespace epi::kernels
