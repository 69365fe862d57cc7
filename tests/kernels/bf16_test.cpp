// What bf16 promises beyond closeness to the reference: how numbers are rounded, that each is
// rounded where the contract says so and nowhere else.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "kernels/operands.hpp"
#include "kernels/test_tensor.hpp"
#include "reference/reference.hpp"

namespace epi::kernels {
namespace {

using core::BFloat16;
using core::DType;
using core::Tensor;

constexpr std::int64_t kHalves = 1 << 16;
/// Lower halves around each decision of rounding: exact, just above, just below the middle, the
/// middle, just above it, just below the next.
constexpr std::array<std::uint32_t, 6> kLowerHalves{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};

/// Every upper half with one lower half: all signs, exponents, NaN and infinities.
std::vector<float> floats_with(std::uint32_t lower) {
  std::vector<float> values;
  for (std::uint32_t upper = 0; upper < kHalves; ++upper) {
    values.push_back(std::bit_cast<float>((upper << 16U) | lower));
  }
  return values;
}

bool is_subnormal(float value) {
  return std::fpclassify(value) == FP_SUBNORMAL;
}

/// The instruction that rounds takes subnormal numbers for 0; nobody else's number may differ.
void expect_rounded(const std::vector<float>& from, const BFloat16* to, bool by_instruction) {
  for (std::size_t i = 0; i < from.size(); ++i) {
    const BFloat16 truth = core::to_bf16(from[i]);
    if (by_instruction && is_subnormal(from[i])) {
      ASSERT_TRUE(core::to_float(to[i]) == 0.0F || to[i].bits == truth.bits) << from[i];
    } else {
      ASSERT_EQ(to[i].bits, truth.bits) << std::hex << std::bit_cast<std::uint32_t>(from[i]);
    }
  }
}

TEST(Convert, every_upper_half_and_edge_of_rounding_is_nearest_even) {
  Stream stream(core::kCpu);
  for (const std::uint32_t lower : kLowerHalves) {
    const std::vector<float> values = floats_with(lower);
    const Tensor half(DType::bf16, {kHalves});
    tested_ops_again().convert({ConstView(values.data(), {kHalves}), half}, stream);
    expect_rounded(values, half.as<BFloat16>(), false);
  }
}

TEST(Convert, every_bf16_becomes_the_float_that_it_is) {
  Stream stream(core::kCpu);
  std::vector<BFloat16> halves;
  for (std::uint32_t bits = 0; bits < kHalves; ++bits) {
    halves.push_back({static_cast<std::uint16_t>(bits)});
  }
  const Tensor wide(DType::f32, {kHalves});
  tested_ops().convert({ConstView(halves.data(), {kHalves}), wide}, stream);
  for (std::uint32_t bits = 0; bits < kHalves; ++bits) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(wide.as<float>()[bits]), bits << 16U);
  }
}

class Bf16 : public testing::Test {
 protected:
  void SetUp() override {
    if (!ops.takes(DType::bf16)) GTEST_SKIP() << "NO BF16 HERE: its rounding is not tested";
  }
  Ops& ops = tested_ops_again();
  const DType weights = ops.weights_type(DType::bf16);
  Stream stream{core::kCpu};
};

TEST_F(Bf16, stored_results_are_rounded_to_nearest_even) {
  if (weights == DType::bf16) GTEST_SKIP() << "no bias of such a product has more bits than bf16";
  const Tensor x(DType::bf16, {1, 1}), w(weights, {kHalves, 1}), y(DType::bf16, {1, kHalves});
  for (const std::uint32_t lower : kLowerHalves) {
    std::vector<float> bias = floats_with(lower);
    ops.linear({.x = x, .w = w, .b = ConstView(bias.data(), {kHalves}), .y = y, .pre = {}}, stream);
    bias.front() = lower == 0 ? 0.0F : bias.front();
    bias.at(kHalves / 2) = lower == 0 ? 0.0F : bias.at(kHalves / 2);  // 0 + -0 is 0
    expect_rounded(bias, y.as<BFloat16>(), true);
  }
}

TEST_F(Bf16, packed_weights_are_rounded_to_nearest_even) {
  if (weights == DType::bf16) GTEST_SKIP() << "weights are bf16 already: the optimizer rounds them";
  const Tensor x(DType::bf16, {1, 1}), y(DType::bf16, {1, kHalves});
  set_number(x, 0, 1.0F);
  for (const std::uint32_t lower : kLowerHalves) {
    const std::vector<float> w = floats_with(lower);
    ops.linear({.x = x, .w = ConstView(w.data(), {kHalves, 1}), .b = {}, .y = y, .pre = {}},
               stream);
    for (std::int64_t i = 0; i < kHalves; ++i) {
      const float given = w.at(static_cast<std::size_t>(i));
      const float truth = core::to_float(core::to_bf16(given));
      if (std::isnan(truth)) {
        ASSERT_TRUE(std::isnan(number_at(y, i))) << i;
      } else if (is_subnormal(given) || is_subnormal(truth)) {
        ASSERT_TRUE(number_at(y, i) == 0.0F || number_at(y, i) == truth) << given;
      } else {
        ASSERT_EQ(number_at(y, i), truth) << given;
      }
    }
  }
}

TEST_F(Bf16, gelu_of_a_product_is_that_of_the_stored_pre_activation) {
  const std::int64_t m = 33, k = 47, n = 131;
  const Tensor x = random_tensor(DType::bf16, {m, k}, 1), w = random_tensor(weights, {n, k}, 2);
  const Tensor y(DType::bf16, {m, n}), pre(DType::bf16, {m, n});
  ops.linear({.x = x, .w = w, .b = {}, .epilogue = Activation::gelu_tanh, .y = y, .pre = pre},
             stream);
  for (std::int64_t i = 0; i < m * n; ++i) {
    const double truth =
        reference::activation(Activation::gelu_tanh, static_cast<double>(number_at(pre, i)));
    ASSERT_NEAR(static_cast<double>(number_at(y, i)), truth, kHalfPlace * std::abs(truth) + 2e-6);
  }
}

TEST_F(Bf16, weight_gradient_with_an_activation_is_that_of_the_activated_input) {
  const std::int64_t m = 67, k = 70, n = 33;
  for (const Activation activation : {Activation::gelu, Activation::gelu_tanh}) {
    const Tensor dy = random_tensor(DType::bf16, {m, n}, 1),
                 x = random_tensor(DType::bf16, {m, k}, 2);
    const Tensor activated(DType::bf16, {m, k}), fused(DType::f32, {n, k}),
        plain(DType::f32, {n, k});
    ops.linear_grad_weight({.dy = dy, .x = x, .activation = activation, .dw = fused, .db = {}},
                           stream);
    ops.activate({activation, x, activated}, stream);
    ops.linear_grad_weight({.dy = dy, .x = activated, .dw = plain, .db = {}}, stream);
    reference::expect_close(fused, plain, {.relative = 1e-6});
  }
}

TEST_F(Bf16, sums_of_scattered_rows_are_rounded_once) {
  // 257 times 1 + 2^-7: added one by one in bf16 they would stop at 256.
  const std::int64_t m = 257, hidden = 19;
  const Tensor in(DType::bf16, {m, hidden}), rows(DType::i32, {m}), out(DType::bf16, {2, hidden});
  for (std::int64_t i = 0; i < m * hidden; ++i) set_number(in, i, 1.0078125F);
  for (const Write write : {Write::set, Write::add}) {
    for (std::int64_t i = 0; i < 2 * hidden; ++i) set_number(out, i, 0.5F);
    ops.scatter_rows({.in = in, .rows = rows, .weights = {}, .write = write, .out = out}, stream);
    const float sum = 259.0078125F + (write == Write::add ? 0.5F : 0.0F);
    for (std::int64_t i = 0; i < hidden; ++i) {
      EXPECT_EQ(number_at(out, i), core::to_float(core::to_bf16(sum)));
      EXPECT_EQ(number_at(out, hidden + i), write == Write::add ? 0.5F : 0.0F);
    }
  }
}

TEST_F(Bf16, statistics_of_a_norm_are_of_the_stored_sum) {
  const std::int64_t rows = 37, hidden = 65;
  const Tensor x = random_tensor(DType::bf16, {rows, hidden}, 1),
               residual = random_tensor(DType::bf16, {rows, hidden}, 2),
               gamma = random_tensor(DType::f32, {hidden}, 3),
               beta = random_tensor(DType::f32, {hidden}, 4);
  const Tensor out(DType::bf16, {rows, hidden}), sum(DType::bf16, {rows, hidden}),
      mean(DType::f32, {rows}), rstd(DType::f32, {rows});
  ops.add_norm({.x = x,
                .residual = residual,
                .gamma = gamma,
                .beta = beta,
                .out = out,
                .sum = sum,
                .mean = mean,
                .rstd = rstd},
               stream);
  for (std::int64_t row = 0; row < rows; ++row) {
    double total = 0.0;
    for (std::int64_t h = 0; h < hidden; ++h) {
      total += static_cast<double>(number_at(sum, row * hidden + h));
    }
    ASSERT_NEAR(static_cast<double>(number_at(mean, row)), total / static_cast<double>(hidden),
                1e-6);
  }
}

}  // namespace
}  // namespace epi::kernels
