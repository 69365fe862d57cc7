// Linear ops where the library has no epilogues, at sizes that take several chunks of rows or
// pieces of column sums. With an inner dimension of 1 every element is known by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "kernels/cuda/linear_geometry.hpp"
#include "kernels/ops.hpp"
#include "simt/emulated_memory.hpp"
#include "simt/host_gemm.hpp"

namespace epi::kernels::cuda {
namespace {

using core::BFloat16;
using core::DType;

/// A matrix in the memory of an emulated device.
template <class T>
struct Matrix {
  Matrix(std::int64_t rows, std::int64_t columns)
      : memory(core::Device{core::DeviceKind::cuda, 0},
               static_cast<std::size_t>(rows * columns) * sizeof(T)),
        view(memory.view(core::dtype_of<T>(), {rows, columns})) {}
  [[nodiscard]] T& operator[](std::int64_t i) const { return view.template as<T>()[i]; }
  core::Buffer memory;
  core::View view;
};

class LinearApart : public testing::Test {
 protected:
  LinearApart() { offer_epilogues(false); }
  ~LinearApart() override { offer_epilogues(true); }
  std::unique_ptr<Ops> ops = make_cuda_ops();
  core::Stream stream{ops->device()};
  core::emulated::Access access;  ///< operands are filled and read where they are
};

/// Multiples of 1/8 from -2 to 2.
float number(std::int64_t i) {
  return static_cast<float>(i * 7 % 33 - 16) / 8.0F;
}

double slope(double x) {
  const double scale = std::sqrt(2.0 / std::acos(-1.0));
  const double t = std::tanh(scale * (x + 0.044715 * x * x * x));
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * scale * (1.0 + 3.0 * 0.044715 * x * x);
}

TEST_F(LinearApart, SeveralChunksOfRows_withTheSlopeOfGeluAdded_areAllThere) {
  const std::int64_t rows = 131, columns = 65544;
  ASSERT_EQ(chunk_rows(rows, columns), 128);
  const Matrix<float> dy(rows, 1), w(1, columns), pre(rows, columns), dx(rows, columns);
  for (std::int64_t i = 0; i < rows; ++i) dy[i] = number(i);
  for (std::int64_t j = 0; j < columns; ++j) w[j] = number(j + 3);
  for (std::int64_t i = 0; i < rows * columns; ++i) pre[i] = number(i + 5), dx[i] = number(i);
  ops->linear_grad_input({.dy = dy.view,
                          .w = w.view,
                          .epilogue = Activation::gelu_tanh,
                          .pre = pre.view,
                          .write = Write::add,
                          .dx = dx.view},
                         stream);
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; j += i < 2 || i > 126 ? 1 : 97) {
      const std::int64_t at = i * columns + j;
      const double product = static_cast<double>(number(i)) * static_cast<double>(number(j + 3));
      const double truth =
          static_cast<double>(number(at)) + product * slope(static_cast<double>(number(at + 5)));
      ASSERT_NEAR(static_cast<double>(dx[at]), truth, 4e-6) << i << ", " << j;
    }
  }
}

TEST_F(LinearApart, ProductAndBias_inBf16_areRoundedOnce) {
  // bf16 numbers from 1 on are 2^-7 apart. (1 + 2^-7)^2 = 1 + 2^-6 + 2^-14 would be 1 + 2^-6; with
  // half a place added, that is a tie and goes back to 1 + 2^-6, but the true sum lies above the
  // tie.
  const Matrix<BFloat16> x(1, 1), w(8, 1), b(1, 8), y(1, 8);
  x[0] = core::to_bf16(1.0F + 0x1p-7F);
  for (std::int64_t j = 0; j < 8; ++j) {
    w[j] = core::to_bf16(1.0F + 0x1p-7F);
    b[j] = core::to_bf16(0x1p-8F);
  }
  ops->linear({.x = x.view, .w = w.view, .b = b.view.reshape({8}), .y = y.view, .pre = {}}, stream);
  for (std::int64_t j = 0; j < 8; ++j) EXPECT_EQ(core::to_float(y[j]), 1.0F + 0x1p-6F + 0x1p-7F);
}

TEST_F(LinearApart, ColumnSumsOfManyPieces_areExactOnWholeNumbers) {
  for (const std::int64_t rows : {1, 255, 256, 257, 2311}) {
    for (const std::int64_t columns : {1, 8, 33, 264}) {
      const Matrix<BFloat16> dy(rows, columns), x(rows, 1);
      const Matrix<float> dw(columns, 1), db(1, columns);
      for (std::int64_t i = 0; i < rows * columns; ++i) {
        dy[i] = core::to_bf16(static_cast<float>(i % 7) - 2.0F);
      }
      for (const Write write : {Write::set, Write::add}) {
        ops->linear_grad_weight({.dy = dy.view,
                                 .x = x.view,
                                 .write = write,
                                 .dw = dw.view,
                                 .db = db.view.reshape({columns})},
                                stream);
        for (std::int64_t j = 0; j < columns; ++j) {
          float sum = 0.0F;
          for (std::int64_t i = 0; i < rows; ++i) sum += core::to_float(dy[i * columns + j]);
          ASSERT_EQ(db[j], write == Write::set ? sum : 2.0F * sum) << rows << ", " << j;
        }
      }
    }
  }
}

}  // namespace
}  // namespace epi::kernels::cuda
