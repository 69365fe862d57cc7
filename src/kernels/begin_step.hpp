// The arithmetic of `begin_step`, shared by all back ends. Free of the standard library's run time,
// so device code may include it.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/step_state.hpp"

namespace epi::kernels {

/// What begin_step is told; see BeginStepArgs.
struct StepBeginning {
  std::array<float, 2> term_weights{};
  float weight_in_repeats = 1.0F;
  float beta1 = 0.9F;
  float beta2 = 0.98F;
};

/// 1 - beta^steps, in double: by squaring, so that every back end multiplies alike. steps >= 0.
[[nodiscard]] constexpr double bias_correction(double beta, std::int64_t steps) {
  double power = 1.0;
  for (double square = beta; steps > 0; steps /= 2, square *= square) {
    if (steps % 2 == 1) power *= square;
  }
  return 1.0 - power;
}

/// `targets`: DNA, states, DNA in repeats. The sum of DNA weights comes from whole numbers, so its
/// bits depend on no order.
constexpr void begin_step(const StepBeginning& begin, const double* targets, std::int64_t updates,
                          StepState& state) {
  const double dna = targets[0] - targets[2] + double{begin.weight_in_repeats} * targets[2];
  const auto scale = [](float weight, double count) {
    return count > 0.0 ? static_cast<float>(double{weight} / count) : 0.0F;
  };
  state.loss_scale[0] = scale(begin.term_weights[0], dna);
  state.loss_scale[1] = scale(begin.term_weights[1], targets[1]);
  state.loss_scale[2] = 0.0F;
  state.bias_correction1 = static_cast<float>(bias_correction(double{begin.beta1}, updates + 1));
  state.bias_correction2 = static_cast<float>(bias_correction(double{begin.beta2}, updates + 1));
}

}  // namespace epi::kernels
