// Attention at the longest sequences, where the reference in double would take minutes: bf16
// against fp32 of the same back end, which is other code on GPUs and is held against the reference
// at sizes up to 1,025 like all of it. Both are given the same numbers, so they differ by rounding
// only.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "core/bf16.hpp"
#include "core/philox.hpp"
#include "kernels/backend.hpp"

namespace epi::kernels {
namespace {

constexpr std::int64_t kTokens = 8192;
constexpr std::int64_t kHidden = 64;  // one head
// Probabilities and results are rounded to 2^-9 of themselves each; gradients meet a few roundings
// more on their way.
constexpr double kOfLargest = 0x1p-6;

// Loops of debug builds would take minutes.
#ifdef NDEBUG
constexpr bool kIsFast = true;
#else
constexpr bool kIsFast = false;
#endif

using Halves = std::vector<core::BFloat16>;

/// In -2..2, as bf16 has them.
Halves draw(std::int64_t count, std::uint32_t which) {
  Halves values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto words =
        core::philox(5, core::RandomUse::test, {static_cast<std::uint32_t>(i), which, 0, 0});
    values[i] = core::to_bf16(4.0F * core::uniform_float(words[0]) - 2.0F);
  }
  return values;
}

std::vector<float> widened(const Halves& values) {
  std::vector<float> wide(values.size());
  std::ranges::transform(values, wide.begin(), core::to_float);
  return wide;
}

/// What attend and attend_grad write, for operands of type T.
template <class T>
struct Passed {
  std::vector<T> out, dqkv;
  std::vector<float> lse;

  Passed(const std::vector<T>& qkv, const std::vector<T>& dout, const Dropout& dropout)
      : out(dout.size()), dqkv(qkv.size()), lse(static_cast<std::size_t>(kTokens)) {
    Stream stream(core::kCpu);
    StepState state;
    state.seed = 3;
    const auto in = [](const std::vector<T>& values, std::int64_t columns) {
      return ConstView(values.data(), {1, kTokens, columns});
    };
    const View result(out.data(), {1, kTokens, kHidden}), sums(lse.data(), {1, 1, kTokens});
    tested_ops().attend({.qkv = in(qkv, 3 * kHidden),
                         .dropout = dropout,
                         .state = &state,
                         .out = result,
                         .lse = sums},
                        stream);
    tested_ops().attend_grad({.qkv = in(qkv, 3 * kHidden),
                              .dropout = dropout,
                              .state = &state,
                              .out = result,
                              .lse = sums,
                              .dout = in(dout, kHidden),
                              .dqkv = View(dqkv.data(), {1, kTokens, 3 * kHidden})},
                             stream);
  }
};

/// Of elements `first`, `first` + 1, ... of each row, the largest difference, as a share of the
/// largest number.
double difference(const std::vector<float>& a, const std::vector<float>& b, std::int64_t first,
                  std::int64_t columns) {
  double apart = 0.0, largest = 0.0;
  for (std::int64_t t = 0; t < kTokens; ++t) {
    for (std::int64_t i = 0; i < kHidden; ++i) {
      const auto at = static_cast<std::size_t>(t * columns + first + i);
      if (!std::isfinite(a[at]) || !std::isfinite(b[at])) return INFINITY;
      apart = std::max(apart, std::abs(double{a[at]} - double{b[at]}));
      largest = std::max(largest, std::abs(double{b[at]}));
    }
  }
  return apart / largest;
}

class LongAttention : public testing::TestWithParam<float> {};

TEST_P(LongAttention, bf16_agrees_with_fp32) {
  const std::string where = tested_ops().description();
  if (!kIsFast || where.starts_with("emulated")) GTEST_SKIP() << "would take minutes on " << where;
  if (!tested_ops().takes(core::DType::bf16)) GTEST_SKIP() << where << " has no bf16";
  const Dropout dropout{.probability = GetParam(), .layer = 1, .site = 2};
  const Halves qkv = draw(kTokens * 3 * kHidden, 0), dout = draw(kTokens * kHidden, 1);
  const Passed<core::BFloat16> half(qkv, dout, dropout);
  const Passed<float> whole(widened(qkv), widened(dout), dropout);
  EXPECT_LT(difference(widened(half.out), whole.out, 0, kHidden), kOfLargest);
  for (std::int64_t part = 0; part < 3; ++part) {
    EXPECT_LT(difference(widened(half.dqkv), whole.dqkv, part * kHidden, 3 * kHidden), kOfLargest)
        << "gradient of "
        << (part == 0   ? "queries"
            : part == 1 ? "keys"
                        : "values");
  }
  for (std::size_t t = 0; t < half.lse.size(); ++t) {
    ASSERT_NEAR(half.lse[t], whole.lse[t], 1e-3) << t;
  }
}

INSTANTIATE_TEST_SUITE_P(Dropout, LongAttention, testing::Values(0.0F, 0.25F));

}  // namespace
}  // namespace epi::kernels
