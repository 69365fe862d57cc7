#include "train/schedule.hpp"

#include <cmath>
#include <numbers>

namespace epi::train {

double Schedule::at(std::int64_t step) const {
  if (step <= warmup_steps) {
    return peak * static_cast<double>(step) / static_cast<double>(warmup_steps);
  }
  if (step > steps) return floor;
  const double done =
      static_cast<double>(step - warmup_steps) / static_cast<double>(steps + 1 - warmup_steps);
  const double left =
      kind == ScheduleKind::linear ? 1.0 - done : (1.0 + std::cos(std::numbers::pi * done)) / 2.0;
  return floor + (peak - floor) * left;
}

double bias_correction(double beta, std::int64_t step) {
  if (beta == 0.0) return 1.0;
  return -std::expm1(static_cast<double>(step) * std::log(beta));
}

}  // namespace epi::train
