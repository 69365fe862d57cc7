// Packed operands against plain loops, element by element, on every instruction set that this
// processor has: the form is a contract with oneDNN, and what lies between rows in memory must not
// leak into it.
#include "kernels/cpu/pack_loops.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "core/bf16.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"
#include "reference/reference.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr std::int64_t kGuard = 64;  // elements after the last one, which must stay as they are

template <class T>
T element(float value) {
  if constexpr (std::is_same_v<T, Bf16>) {
    return Bf16{core::to_bf16(value).bits};
  } else {
    return value;
  }
}

float number(float value) {
  return value;
}
float number(Bf16 value) {
  return core::to_float({static_cast<std::uint16_t>(value)});
}

/// Numbers in -4..4; the gap after each row, of which `used` elements exist, is NaN.
template <class T>
std::vector<T> matrix(std::int64_t rows, std::int64_t used, std::int64_t stride) {
  // No gap after the last row: a sanitizer sees what is read beyond.
  std::vector<T> values(static_cast<std::size_t>((rows - 1) * stride + used), element<T>(kNan));
  std::uint32_t state = static_cast<std::uint32_t>(rows * 31 + used) * 2654435761U + 1;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < used; ++j) {
      state = state * 1664525U + 1013904223U;
      const float value = static_cast<float>(state >> 8U) * 0x1p-21F - 4.0F;
      values.at(static_cast<std::size_t>(i * stride + j)) = element<T>(value);
    }
  }
  return values;
}

struct Level {
  const char* name;
  const PackTable* table;
};

/// The levels that run here.
std::vector<Level> levels() {
  std::vector<Level> found{{"base", &base::pack_table}};
  if (isa() >= Isa::v3) found.push_back({"v3", &v3::pack_table});
  if (isa() == Isa::v4) found.push_back({"v4", &v4::pack_table});
  return found;
}

/// Where element (i, j) of a packed column block lies: bf16 in pairs of rows.
template <class T>
std::int64_t place(std::int64_t i, std::int64_t j) {
  if (std::is_same_v<T, float>) return i * kColumnBlock + j;
  return (i / 2 * kColumnBlock + j) * 2 + i % 2;
}

/// One way of packing: what the loop is, and what it should do.
template <class From, class To>
struct Packing {
  typename PackLoops<From, To>::Right loop;
  bool transposed;
  Activation activation;
};

/// What `value` becomes, and by how much an approximated activation may miss it.
template <class To>
void expect_element(float value, Activation activation, To packed) {
  if (activation == Activation::none) {
    EXPECT_EQ(number(packed), number(element<To>(value)));
    return;
  }
  const double truth = reference::activation(activation, static_cast<double>(value));
  const double rounding = std::is_same_v<To, Bf16> ? 0x1p-8 * std::abs(truth) : 0.0;
  EXPECT_NEAR(static_cast<double>(number(packed)), truth, 2e-6 + rounding);
}

template <class From, class To>
void check_block(const Packing<From, To>& packing, std::int64_t k, std::int64_t cols) {
  const std::int64_t rows = packing.transposed ? cols : k;
  const std::int64_t used = packing.transposed ? k : cols;
  const std::int64_t stride = used + 5;
  const std::vector<From> from = matrix<From>(rows, used, stride);
  const std::int64_t size = packed_depth(k, type_of<To>()) * kColumnBlock;
  std::vector<To> to(static_cast<std::size_t>(size + kGuard), element<To>(kNan));
  packing.loop(from.data(), stride, k, cols, to.data());
  for (std::int64_t i = 0; i < size / kColumnBlock; ++i) {
    for (std::int64_t j = 0; j < kColumnBlock; ++j) {
      const To packed = to.at(static_cast<std::size_t>(place<To>(i, j)));
      if (i >= k || j >= cols) {
        ASSERT_EQ(number(packed), 0.0F) << "padding at " << i << ", " << j;
        continue;
      }
      const std::int64_t at = packing.transposed ? j * stride + i : i * stride + j;
      expect_element(number(from.at(static_cast<std::size_t>(at))), packing.activation, packed);
    }
  }
  for (std::int64_t i = size; i < size + kGuard; ++i) {
    ASSERT_TRUE(std::isnan(number(to.at(static_cast<std::size_t>(i))))) << "written past the end";
  }
}

template <class From, class To>
void check_loops(const Level& level, const PackLoops<From, To>& loops) {
  const std::vector<Packing<From, To>> packings{
      {loops.rows, false, Activation::none},
      {loops.columns, true, Activation::none},
      {loops.rows_gelu, false, Activation::gelu},
      {loops.rows_gelu_tanh, false, Activation::gelu_tanh}};
  for (std::size_t i = 0; i < packings.size(); ++i) {
    for (const std::int64_t k : {1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 65, 97}) {
      for (const std::int64_t cols : {1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64}) {
        SCOPED_TRACE(fmt::format("{}: function {} of {} x {}", level.name, i, k, cols));
        check_block(packings.at(i), k, cols);
        if (testing::Test::HasFailure()) return;  // one is enough to see what is wrong
      }
    }
  }
}

TEST(PackLoops, floats_of_any_size_lie_in_the_packed_form) {
  for (const Level& level : levels()) check_loops(level, level.table->same);
}

TEST(PackLoops, floats_narrowed_lie_in_the_packed_form_in_pairs) {
  if (!has_bf16()) GTEST_SKIP() << "NO BF16 HERE: its packed form is not tested";
  for (const Level& level : levels()) check_loops(level, level.table->narrowing);
}

TEST(PackLoops, bf16_of_any_size_lie_in_the_packed_form_in_pairs) {
  if (!has_bf16()) GTEST_SKIP() << "NO BF16 HERE: its packed form is not tested";
  for (const Level& level : levels()) check_loops(level, level.table->half);
}

/// `sums` absent when null, as the loop allows.
template <class T>
void check_transpose(TransposeLoop<T> loop, std::int64_t rows, std::int64_t cols, bool with_sums) {
  const std::int64_t stride = cols + 3;
  const std::int64_t ld = (rows + 31) / 32 * 32 + 32;
  const std::vector<T> from = matrix<T>(rows, cols, stride);
  std::vector<T> to(static_cast<std::size_t>(cols * ld + kGuard), element<T>(kNan));
  std::vector<float> sums(static_cast<std::size_t>(cols), kNan);
  loop(from.data(), stride, rows, cols, to.data(), ld, with_sums ? sums.data() : nullptr);
  for (std::int64_t j = 0; j < cols; ++j) {
    double sum = 0.0;
    for (std::int64_t i = 0; i < ld; ++i) {
      const float value =
          i < rows ? number(from.at(static_cast<std::size_t>(i * stride + j))) : 0.0F;
      ASSERT_EQ(number(to.at(static_cast<std::size_t>(j * ld + i))), value) << i << ", " << j;
      sum += static_cast<double>(value);
    }
    if (!with_sums) continue;
    // Each of at most 32 additions per chain rounds a partial sum of numbers up to 4.
    EXPECT_NEAR(static_cast<double>(sums.at(static_cast<std::size_t>(j))), sum,
                1e-6 * 4.0 * static_cast<double>(rows));
  }
  for (std::size_t i = static_cast<std::size_t>(cols * ld); i < to.size(); ++i) {
    ASSERT_TRUE(std::isnan(number(to.at(i)))) << "written past the end";
  }
}

template <class T>
void check_transposes(const Level& level, TransposeLoop<T> loop) {
  for (const std::int64_t rows : {1, 2, 3, 15, 16, 17, 31, 32, 33, 255, 256, 257, 515}) {
    for (const std::int64_t cols : {1, 15, 16, 17, 33}) {
      SCOPED_TRACE(fmt::format("{}: {} x {}", level.name, rows, cols));
      check_transpose(loop, rows, cols, true);
      check_transpose(loop, rows, cols, false);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(TransposeLoops, floats_of_any_size_are_transposed_and_summed) {
  for (const Level& level : levels()) check_transposes(level, level.table->transpose);
}

TEST(TransposeLoops, bf16_of_any_size_are_transposed_and_summed) {
  if (!has_bf16()) GTEST_SKIP() << "NO BF16 HERE: its transposition is not tested";
  for (const Level& level : levels()) check_transposes(level, level.table->transpose_half);
}

}  // namespace
}  // namespace epi::kernels::cpu
