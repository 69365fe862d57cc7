// The learning rate as a pure function of the step: linear warm-up, then a linear or cosine fall.
#pragma once

#include <cstdint>

namespace epi::train {

enum class ScheduleKind : std::uint8_t { linear, cosine };

/// With s the step (counted from 1), W warm-up steps, N all steps, peak p and floor m:
///   s <= W: p s / W
///   linear: m + (p - m) (1 - x) with x = (s - W) / (N + 1 - W)
///   cosine: m + (p - m) (1 + cos(pi x)) / 2 (Loshchilov & Hutter, arXiv 1608.03983)
///   s > N: m
/// The floor lies one step past the last, so that no step is spent at a rate of 0.
struct Schedule {
  ScheduleKind kind = ScheduleKind::linear;
  double peak = 1e-4;
  double floor = 0.0;
  std::int64_t warmup_steps = 0;
  std::int64_t steps = 1;  ///< N; the run may be shorter

  /// Learning rate of a step, counted from 1.
  [[nodiscard]] double at(std::int64_t step) const;
};

/// 1 - beta^step: the correction of Adam's moment after `step` updates (Kingma & Ba, arXiv
/// 1412.6980), without the loss of digits that the plain form has for beta near 1.
[[nodiscard]] double bias_correction(double beta, std::int64_t step);

}  // namespace epi::train
