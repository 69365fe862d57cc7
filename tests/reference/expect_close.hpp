// The one comparison of computed numbers with true ones. Non-finite numbers never pass, and the
// tolerance is relative to the largest true value: rounding of a sum is relative to its terms, not
// to what is left after they cancel.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <source_location>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/bf16.hpp"
#include "core/view.hpp"

namespace epi::reference {

/// |actual - expected| <= absolute + relative * max |expected|.
struct Tolerance {
  double relative = 1e-5;
  double absolute = 0.0;
};

/// The elements of a view on the CPU as doubles, whatever their type.
[[nodiscard]] inline std::vector<double> as_doubles(const core::ConstView& view) {
  std::vector<double> values(static_cast<std::size_t>(view.size()));
  const auto fill = [&](const auto* from) {
    for (double& value : values) {
      if constexpr (std::is_same_v<decltype(from), const core::BFloat16*>) {
        value = static_cast<double>(core::to_float(*from++));
      } else {
        value = static_cast<double>(*from++);
      }
    }
  };
  switch (view.dtype()) {
    case core::DType::u8:
      fill(view.as<std::uint8_t>());
      break;
    case core::DType::i32:
      fill(view.as<std::int32_t>());
      break;
    case core::DType::i64:
      fill(view.as<std::int64_t>());
      break;
    case core::DType::bf16:
      fill(view.as<core::BFloat16>());
      break;
    case core::DType::f32:
      fill(view.as<float>());
      break;
    case core::DType::f64:
      fill(view.as<double>());
      break;
  }
  return values;
}

/// Success, or a failure that names the worst element, both values and the bound.
[[nodiscard]] inline testing::AssertionResult is_close(std::span<const double> actual,
                                                       std::span<const double> expected,
                                                       Tolerance tolerance = {}) {
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure()
           << actual.size() << " values, expected " << expected.size() << " of them";
  }
  double largest = 0.0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  const double bound = tolerance.absolute + tolerance.relative * largest;
  double worst = -1.0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const bool finite = std::isfinite(actual[i]) && std::isfinite(expected[i]);
    const double error = finite ? std::abs(actual[i] - expected[i]) : INFINITY;
    if (error > worst) worst = error, where = i;
  }
  if (worst <= bound && std::isfinite(worst)) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "element " << where << " of " << actual.size() << " is " << actual[where]
         << ", expected " << expected[where] << ": off by " << worst << ", allowed " << bound
         << " (" << tolerance.absolute << " + " << tolerance.relative << " * " << largest << ")";
}

/// Doubles of anything with elements: a view, a tensor, a span or a vector.
template <class Values>
[[nodiscard]] std::vector<double> to_doubles(const Values& values) {
  if constexpr (std::is_convertible_v<const Values&, core::ConstView>) {
    return as_doubles(values);
  } else {
    std::vector<double> doubles;
    doubles.reserve(std::size(values));
    for (const auto& value : values) doubles.push_back(static_cast<double>(value));
    return doubles;
  }
}

/// A test failure at the caller's line unless `is_close`; `what` names the tensor.
template <class Actual, class Expected>
void expect_close(const Actual& actual, const Expected& expected, Tolerance tolerance = {},
                  const std::string& what = "values",
                  std::source_location where = std::source_location::current()) {
  const auto result = is_close(to_doubles(actual), to_doubles(expected), tolerance);
  if (!result) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << what << ": " << result.message();
  }
}

}  // namespace epi::reference
