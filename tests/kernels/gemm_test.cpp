// Single-thread products of packed operands against plain loops in double.
#include "kernels/cpu/gemm.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

#include "core/bf16.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"
#include "reference/expect_close.hpp"

namespace epi::kernels::cpu {
namespace {

using reference::expect_close;

/// Numbers in -1..1 that differ for each `salt`.
std::vector<float> numbers(std::int64_t count, std::uint32_t salt) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uint32_t state = salt * 2654435761U + 1;
  for (float& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<float>(state >> 8U) * 0x1p-23F - 1.0F;
  }
  return values;
}

/// a b with the right operand packed as products want it, in elements of type T.
template <class T>
struct Problem {
  explicit Problem(const GemmShape& s, std::uint32_t salt = 1)
      : shape(s),
        a(rounded(numbers(s.m * s.k, salt))),
        b(rounded(numbers(s.k * s.n, salt + 1))),
        c(numbers(s.m * s.n, salt + 2)),
        left(as_elements(a)),
        packed(static_cast<std::size_t>(packed_size(s.k, s.n, s.inputs))) {
    const std::vector<T> right = as_elements(b);
    for (std::int64_t col = 0; col < s.n; col += kColumnBlock) {
      pack_loops<T, T>().rows(right.data() + col, s.n, s.k, std::min(kColumnBlock, s.n - col),
                              packed.data() + col * packed_depth(s.k, s.inputs));
    }
  }

  static std::vector<T> as_elements(const std::vector<float>& values) {
    std::vector<T> result;
    for (const float value : values) {
      if constexpr (std::is_same_v<T, float>) {
        result.push_back(value);
      } else {
        result.push_back(T{core::to_bf16(value).bits});
      }
    }
    return result;
  }
  static std::vector<float> rounded(std::vector<float> values) {
    if constexpr (!std::is_same_v<T, float>) {
      for (float& value : values) value = core::to_float(core::to_bf16(value));
    }
    return values;
  }

  [[nodiscard]] std::vector<double> expected() const {
    std::vector<double> result(c.begin(), c.end());
    for (std::int64_t i = 0; i < shape.m; ++i) {
      for (std::int64_t j = 0; j < shape.n; ++j) {
        double& out = result.at(static_cast<std::size_t>(i * shape.n + j));
        if (shape.write == Write::set) out = 0.0;
        for (std::int64_t k = 0; k < shape.k; ++k) {
          out += double{a.at(static_cast<std::size_t>(i * shape.k + k))} *
                 double{b.at(static_cast<std::size_t>(k * shape.n + j))};
        }
      }
    }
    return result;
  }

  void multiply(Gemm& gemm, int thread) {
    gemm.multiply(gemm.kernel(shape), left.data(), packed.data(), c.data(), thread);
  }

  GemmShape shape;
  std::vector<float> a, b, c;
  std::vector<T> left, packed;
};

/// Odd depths, single rows and columns, and both sides of the column block of 64.
template <class T>
void check_awkward_shapes(core::DType inputs) {
  Gemm gemm(1);
  for (const std::int64_t m : {1, 15, 17, 64, 131}) {
    for (const std::int64_t n : {1, 16, 31, 64, 65, 130}) {
      for (const std::int64_t k : {1, 2, 7, 33, 64, 129}) {
        for (const Write write : {Write::set, Write::add}) {
          Problem<T> problem({.m = m, .n = n, .k = k, .write = write, .inputs = inputs});
          const auto expected = problem.expected();
          problem.multiply(gemm, 0);
          expect_close(problem.c, expected, {.relative = 2e-6});
        }
      }
    }
  }
}

TEST(Gemm, AwkwardShapesOfFloats_multiply_matchesPlainLoops) {
  check_awkward_shapes<float>(core::DType::f32);
}

TEST(Gemm, AwkwardShapesOfBf16_multiply_matchesPlainLoops) {
  if (!has_bf16()) GTEST_SKIP() << "this processor does not multiply bf16";
  check_awkward_shapes<Bf16>(core::DType::bf16);
}

TEST(Gemm, OneShape_twoThreadsAtOnce_bothAreRight) {
  // With oneDNN's default scratchpad two threads in one primitive corrupt each other.
  Gemm gemm(2);
  const GemmShape shape{.m = 256, .n = 192, .k = 128};
  const Gemm::Kernel& kernel = gemm.kernel(shape);
  Problem<float> first(shape), second(shape, 7);
  const auto first_expected = first.expected(), second_expected = second.expected();
  const auto repeat = [&](Problem<float>& problem, int thread) {
    for (int i = 0; i < 20; ++i) {
      gemm.multiply(kernel, problem.left.data(), problem.packed.data(), problem.c.data(), thread);
    }
  };
  std::thread other([&] { repeat(second, 1); });
  repeat(first, 0);
  other.join();
  expect_close(first.c, first_expected, {.relative = 2e-6});
  expect_close(second.c, second_expected, {.relative = 2e-6});
}

TEST(Gemm, SameShape_kernel_isCompiledOnce) {
  Gemm gemm(1);
  const GemmShape shape{.m = 8, .n = 8, .k = 8};
  EXPECT_EQ(&gemm.kernel(shape), &gemm.kernel(shape));
  GemmShape other = shape;
  other.write = Write::add;
  EXPECT_NE(&gemm.kernel(shape), &gemm.kernel(other));
}

}  // namespace
}  // namespace epi::kernels::cpu
