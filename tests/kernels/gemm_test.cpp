// Single-thread products and their panels, against plain loops in double.
#include "kernels/cpu/gemm.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

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

struct Problem {
  explicit Problem(const GemmShape& s)
      : shape(s),
        a(numbers((s.a == Layout::plain ? s.m : s.k) * s.lda, 1)),
        b(numbers((s.b == Layout::plain ? s.k : s.n) * s.ldb, 2)),
        c(numbers(s.m * s.ldc, 3)) {}

  [[nodiscard]] double at(const std::vector<float>& matrix, Layout layout, std::int64_t ld,
                          std::int64_t row, std::int64_t col) const {
    const std::int64_t element = layout == Layout::plain ? row * ld + col : col * ld + row;
    return matrix.at(static_cast<std::size_t>(element));
  }

  /// c as it should be, the gap between rows untouched.
  [[nodiscard]] std::vector<double> expected() const {
    std::vector<double> result(c.begin(), c.end());
    for (std::int64_t i = 0; i < shape.m; ++i) {
      for (std::int64_t j = 0; j < shape.n; ++j) {
        double& out = result.at(static_cast<std::size_t>(i * shape.ldc + j));
        if (shape.write == Write::set) out = 0.0;
        for (std::int64_t k = 0; k < shape.k; ++k) {
          out += at(a, shape.a, shape.lda, i, k) * at(b, shape.b, shape.ldb, k, j);
        }
      }
    }
    return result;
  }

  GemmShape shape;
  std::vector<float> a, b, c;
};

/// A shape with `gap` unused elements after each row in memory.
GemmShape shape_of(std::int64_t m, std::int64_t n, std::int64_t k, Layout a, Layout b,
                   std::int64_t gap) {
  return {.m = m,
          .n = n,
          .k = k,
          .a = a,
          .b = b,
          .lda = (a == Layout::plain ? k : m) + gap,
          .ldb = (b == Layout::plain ? n : k) + gap,
          .ldc = n + gap,
          .write = Write::set};
}

TEST(Gemm, AwkwardShapes_multiply_matchesPlainLoops) {
  Gemm gemm(1);
  for (const std::int64_t m : {1, 15, 17, 64, 131}) {
    for (const std::int64_t n : {1, 16, 31, 65}) {
      for (const std::int64_t k : {1, 7, 64, 129}) {
        for (const Layout a : {Layout::plain, Layout::transposed}) {
          for (const Layout b : {Layout::plain, Layout::transposed}) {
            Problem problem(shape_of(m, n, k, a, b, 0));
            const auto expected = problem.expected();
            gemm.multiply(gemm.kernel(problem.shape), problem.a.data(), problem.b.data(),
                          problem.c.data(), 0);
            expect_close(problem.c, expected, {.relative = 2e-6});
          }
        }
      }
    }
  }
}

TEST(Gemm, GapsBetweenRows_multiply_leavesThemAlone) {
  Gemm gemm(1);
  for (const Write write : {Write::set, Write::add}) {
    for (const Layout a : {Layout::plain, Layout::transposed}) {
      for (const Layout b : {Layout::plain, Layout::transposed}) {
        GemmShape shape = shape_of(37, 50, 70, a, b, 5);
        shape.write = write;
        Problem problem(shape);
        const auto expected = problem.expected();
        gemm.multiply(gemm.kernel(shape), problem.a.data(), problem.b.data(), problem.c.data(), 0);
        expect_close(problem.c, expected, {.relative = 2e-6});
      }
    }
  }
}

TEST(Gemm, OneShape_twoThreadsAtOnce_bothAreRight) {
  // With oneDNN's default scratchpad two threads in one primitive corrupt each other.
  Gemm gemm(2);
  const GemmShape shape = shape_of(256, 192, 128, Layout::plain, Layout::transposed, 0);
  const Gemm::Kernel& kernel = gemm.kernel(shape);
  Problem first(shape), second(shape);
  second.a = numbers(static_cast<std::int64_t>(second.a.size()), 7);
  const auto first_expected = first.expected(), second_expected = second.expected();
  const auto repeat = [&](Problem& problem, int thread) {
    for (int i = 0; i < 20; ++i) {
      gemm.multiply(kernel, problem.a.data(), problem.b.data(), problem.c.data(), thread);
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
  const GemmShape shape = shape_of(8, 8, 8, Layout::plain, Layout::plain, 0);
  EXPECT_EQ(&gemm.kernel(shape), &gemm.kernel(shape));
  GemmShape other = shape;
  other.write = Write::add;
  EXPECT_NE(&gemm.kernel(shape), &gemm.kernel(other));
}

TEST(Panels, AnySize_coverEachElementOnce) {
  for (const std::int64_t rows : {1, 15, 256, 257, 300, 1000}) {
    for (const std::int64_t cols : {1, 192, 193, 391, 769}) {
      const Panels panels(rows, cols);
      std::vector<int> covered(static_cast<std::size_t>(rows * cols), 0);
      for (std::int64_t task = 0; task < panels.count(); ++task) {
        const Panels::Panel panel = panels.at(task);
        EXPECT_GE(panel.rows, 1);
        EXPECT_LE(panel.rows, 256);
        EXPECT_LE(panel.cols, 192);
        for (std::int64_t i = panel.row; i < panel.row + panel.rows; ++i) {
          for (std::int64_t j = panel.col; j < panel.col + panel.cols; ++j) {
            ++covered.at(static_cast<std::size_t>(i * cols + j));
          }
        }
      }
      for (const int times : covered) ASSERT_EQ(times, 1) << rows << " x " << cols;
    }
  }
}

}  // namespace
}  // namespace epi::kernels::cpu
