// The comparator must fail where it should, or every other test is worthless.
#include "reference/expect_close.hpp"

#include <gtest/gtest-spi.h>

#include <limits>
#include <string>
#include <vector>

namespace epi::reference {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

bool passes(const Values& actual, const Values& expected, Tolerance tolerance = {}) {
  return static_cast<bool>(is_close(actual, expected, tolerance));
}

TEST(ExpectClose, equal_values_pass) {
  EXPECT_TRUE(passes({1, 2, 3}, {1, 2, 3}, {.relative = 0.0}));
  EXPECT_TRUE(passes({}, {}));
}

TEST(ExpectClose, nan_fails_on_either_side_and_on_both) {
  EXPECT_FALSE(passes({kNan}, {1}));
  EXPECT_FALSE(passes({1}, {kNan}));
  EXPECT_FALSE(passes({kNan}, {kNan}));
  EXPECT_FALSE(passes({1, kNan, 3}, {1, 2, 3}, {.relative = 1e9}));
}

TEST(ExpectClose, infinity_fails_on_either_side_and_on_both) {
  EXPECT_FALSE(passes({kInf}, {1}));
  EXPECT_FALSE(passes({1}, {kInf}));
  EXPECT_FALSE(passes({kInf}, {kInf}));
  EXPECT_FALSE(passes({1, 2}, {1, -kInf}));
}

TEST(ExpectClose, negative_zero_equals_zero) {
  EXPECT_TRUE(passes({-0.0}, {0.0}, {.relative = 0.0}));
  EXPECT_TRUE(passes({0.0}, {-0.0}, {.relative = 0.0}));
}

TEST(ExpectClose, all_true_values_zero_needs_an_absolute_tolerance) {
  EXPECT_FALSE(passes({1e-30}, {0.0}));
  EXPECT_TRUE(passes({1e-30}, {0.0}, {.absolute = 1e-20}));
}

TEST(ExpectClose, relative_bound_is_of_the_largest_true_value) {
  EXPECT_TRUE(passes({100.0, 0.0009}, {100.0, 0.0}, {.relative = 1e-5}));
  EXPECT_FALSE(passes({100.0, 0.0011}, {100.0, 0.0}, {.relative = 1e-5}));
  EXPECT_FALSE(passes({100.0}, {1.0}, {.relative = 0.5})) << "not of the computed one";
}

TEST(ExpectClose, other_number_of_values_fails) {
  EXPECT_FALSE(passes({1}, {1, 1}));
  EXPECT_FALSE(passes({}, {1}));
}

TEST(ExpectClose, message_names_index_values_and_bound) {
  const std::string text = is_close(Values{1, 2, 9}, Values{1, 2, 4}, {.relative = 0.25}).message();
  for (const char* part : {"element 2 of 3", "is 9", "expected 4", "off by 5", "allowed 1"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(ExpectClose, failure_is_reported_to_the_test) {
  EXPECT_NONFATAL_FAILURE(expect_close(Values{1}, Values{2}, {}, "logits"), "logits: element 0");
  expect_close(std::vector<float>{0.5F}, Values{0.5});
}

TEST(ExpectClose, views_are_read_by_their_type) {
  std::vector<float> single{1.5F, -2.0F};
  std::vector<std::int32_t> whole{3, 4};
  std::vector<core::BFloat16> half{core::to_bf16(1.0F), core::to_bf16(-0.5F)};
  expect_close(core::ConstView(single.data(), {2}), Values{1.5, -2.0}, {.relative = 0.0});
  expect_close(core::ConstView(whole.data(), {2}), Values{3, 4}, {.relative = 0.0});
  expect_close(core::ConstView(half.data(), {2}), Values{1.0, -0.5}, {.relative = 0.0});
}

}  // namespace
}  // namespace epi::reference
