// Numbers of charts: which values get a tick, and how they are written.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "train/svg_chart.hpp"

namespace epi::train {
namespace {

constexpr std::size_t kMostTicks = 10;

/// 1, 2 or 5 times a power of ten: the smallest step that leaves room between ticks.
double round_step(double span) {
  constexpr double kWishedTicks = 5.0;
  const double rough = span / kWishedTicks;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= 0.8 * rough) return factor * power;
  }
  return 10.0 * power;
}

std::vector<double> linear_ticks(double from, double to) {
  if (!(to > from)) return {from};
  const double step = round_step(to - from);
  std::vector<double> ticks;
  for (double k = std::ceil(from / step - 1e-9); k * step <= to + 1e-9 * step; k += 1.0) {
    ticks.push_back(k * step + 0.0);  // -0 becomes 0
  }
  return ticks;
}

/// Powers of `base`, thinned out evenly when there are many.
std::vector<double> power_ticks(double base, double from, double to) {
  std::vector<double> ticks;
  const double first = std::ceil(std::log(from) / std::log(base) - 1e-9);
  for (double k = first; std::pow(base, k) <= to * (1.0 + 1e-9); k += 1.0) {
    ticks.push_back(std::pow(base, k));
  }
  while (ticks.size() > kMostTicks) {
    std::vector<double> fewer;
    for (std::size_t i = 0; i < ticks.size(); i += 2) fewer.push_back(ticks[i]);
    ticks = fewer;
  }
  return ticks;
}

/// Decades with 2 and 5 between them, for short spans.
std::vector<double> decade_ticks(double from, double to) {
  std::vector<double> ticks;
  for (double k = std::floor(std::log10(from)); std::pow(10.0, k) <= to; k += 1.0) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double value = factor * std::pow(10.0, k);
      if (value >= from * (1.0 - 1e-9) && value <= to * (1.0 + 1e-9)) ticks.push_back(value);
    }
  }
  return ticks;
}

}  // namespace

std::vector<double> ticks_of(Scale scale, double from, double to) {
  if (scale == Scale::linear) return linear_ticks(from, to);
  if (scale == Scale::log2) return power_ticks(2.0, from, to);
  const std::vector<double> fine = decade_ticks(from, to);
  return fine.size() <= kMostTicks ? fine : power_ticks(10.0, from, to);
}

std::string short_number(double value) {
  constexpr std::array<const char*, 5> kPrefixes = {"", " K", " M", " G", " T"};
  double size = std::abs(value);
  std::size_t prefix = 0;
  while (size >= 999.5 && prefix + 1 < kPrefixes.size()) {
    size /= 1000.0;
    ++prefix;
  }
  // Numbers of ranks are exact: 2,048 is not 2.05 K.
  if (std::abs(value) < 1e4 && value == std::floor(value)) return fmt::format("{:.0f}", value);
  return fmt::format("{:.3g}{}", value < 0.0 ? -size : size, kPrefixes[prefix]);
}

}  // namespace epi::train
