// Two grammars that share no text: one number with a unit, or fields between colons.
#include "core/duration.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <vector>

namespace epi::core {
namespace {

constexpr double kMinute = 60.0;
constexpr double kHour = 60.0 * kMinute;
constexpr double kDay = 24.0 * kHour;

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != end || !(value >= 0)) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> with_unit(std::string_view text) {
  double unit = 1.0;
  if (!text.empty()) {
    const char last = text.back();
    if (last == 'm') unit = kMinute;
    if (last == 'h') unit = kHour;
    if (last == 'd') unit = kDay;
    if (last == 's' || unit != 1.0) text.remove_suffix(1);
  }
  const std::optional<double> value = number_of<double>(text);
  if (!value || !std::isfinite(*value)) return std::nullopt;
  return *value * unit;
}

/// The numbers between colons; nothing unless each is one.
std::optional<std::vector<double>> fields_of(std::string_view text) {
  std::vector<double> fields;
  while (true) {
    const std::size_t colon = text.find(':');
    const auto field = number_of<std::int32_t>(text.substr(0, colon));
    if (!field) return std::nullopt;
    fields.push_back(*field);
    if (colon == std::string_view::npos) return fields;
    text.remove_prefix(colon + 1);
  }
}

/// Fields from `largest` on, each the next smaller unit.
std::optional<double> clock(std::string_view text, double largest) {
  const auto fields = fields_of(text);
  if (!fields) return std::nullopt;
  double seconds = 0.0;
  double unit = largest;
  for (const double field : *fields) {
    if (unit < 1.0) return std::nullopt;
    seconds += field * unit;
    unit /= kMinute;
  }
  return seconds;
}

}  // namespace

std::optional<double> parse_duration(std::string_view text) {
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    const auto days = number_of<std::int32_t>(text.substr(0, dash));
    const auto rest = clock(text.substr(dash + 1), kHour);
    if (!days || !rest) return std::nullopt;
    return *days * kDay + *rest;
  }
  const auto colons = std::count(text.begin(), text.end(), ':');
  if (colons == 0) return with_unit(text);
  return clock(text, colons == 1 ? kMinute : kHour);
}

std::string duration_text(double seconds) {
  struct Unit {
    double seconds;
    const char* name;
  };
  constexpr std::array<Unit, 4> kUnits = {
      {{kDay, "d"}, {kHour, "h"}, {kMinute, "min"}, {1.0, "s"}}};
  if (seconds < kMinute) return fmt::format("{:.3g} s", seconds);
  const double whole = std::round(seconds);
  for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
    if (whole < kUnits[i].seconds) continue;
    const double first = std::floor(whole / kUnits[i].seconds);
    const double rest = std::floor((whole - first * kUnits[i].seconds) / kUnits[i + 1].seconds);
    return fmt::format("{:.0f} {} {:.0f} {}", first, kUnits[i].name, rest, kUnits[i + 1].name);
  }
  return fmt::format("{:.0f} s", whole);
}

}  // namespace epi::core
