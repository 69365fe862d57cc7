// What the column-major library is asked for, carried out by a plain column-major product, is what
// the row-major product defines: every layout and epilogue, with and without padded rows.
#include "kernels/cuda/gemm_layout.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <utility>
#include <vector>

#include "core/bf16.hpp"

namespace epi::kernels::cuda {
namespace {

using core::BFloat16;
using core::DType;

constexpr std::int64_t kM = 5, kN = 7, kK = 3;

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// A row-major matrix of small whole numbers, which products of few terms keep exact, with rows of
/// `width` elements.
struct Matrix {
  Matrix(std::int64_t rows, std::int64_t width, unsigned seed)
      : shape{rows, width}, values(at(rows * width)) {
    std::mt19937 random(seed);
    for (float& value : values) value = static_cast<float>(random() % 9) - 4.0F;
  }
  [[nodiscard]] core::View view() { return {values.data(), {shape.first, shape.second}}; }
  [[nodiscard]] double operator()(std::int64_t row, std::int64_t column) const {
    return static_cast<double>(values[at(row * shape.second + column)]);
  }
  std::pair<std::int64_t, std::int64_t> shape;
  std::vector<float> values;
};

/// Stand-ins for GELU and its slope: cheap, and different from each other and from their argument.
double gelu(double x) {
  return x * x + 1.0;
}
double slope(double x) {
  return 2.0 * x - 3.0;
}

/// Element (i, j) of a matrix in the library's convention: columns are `ld` apart.
std::size_t by_columns(std::int64_t ld, std::int64_t i, std::int64_t j) {
  return at(j * ld + i);
}

/// op(matrix)(i, j) with op none or transposition, after the checks that a library makes.
double element(const void* data, const ColumnMajorMatrix& matrix, bool transposed, std::int64_t i,
               std::int64_t j) {
  if (transposed) std::swap(i, j);
  EXPECT_LT(i, matrix.rows);
  EXPECT_LT(j, matrix.columns);
  EXPECT_GE(matrix.ld, matrix.rows);
  return static_cast<double>(static_cast<const float*>(data)[by_columns(matrix.ld, i, j)]);
}

/// The vendor's definition of each epilogue, on f32: bias has an element for each row of D, aux the
/// shape of D, BGRADB sums rows of op(B)^T over k.
void multiply_by_columns(const ColumnMajorProduct& product) {
  const GemmKey& key = product.key;
  const GemmOperands& o = product.operands;
  const std::int64_t depth = key.transpose_a ? key.a.rows : key.a.columns;
  ASSERT_EQ(key.transpose_a ? key.a.columns : key.a.rows, key.d.rows);
  ASSERT_EQ(key.transpose_b ? key.b.rows : key.b.columns, key.d.columns);
  ASSERT_EQ(key.transpose_b ? key.b.columns : key.b.rows, depth);
  auto* d = static_cast<float*>(o.d);
  auto* aux = static_cast<float*>(const_cast<void*>(o.aux));
  auto* vector = static_cast<float*>(const_cast<void*>(o.vector));
  for (std::int64_t j = 0; j < key.d.columns; ++j) {
    double column_of_b = 0.0;
    for (std::int64_t k = 0; k < depth; ++k)
      column_of_b += element(o.b, key.b, key.transpose_b, k, j);
    if (key.epilogue == LibraryEpilogue::bgradb) vector[j] = static_cast<float>(column_of_b);
    for (std::int64_t i = 0; i < key.d.rows; ++i) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < depth; ++k) {
        sum +=
            element(o.a, key.a, key.transpose_a, i, k) * element(o.b, key.b, key.transpose_b, k, j);
      }
      float& out = d[by_columns(key.d.ld, i, j)];
      if (key.accumulate) sum += static_cast<double>(out);
      if (key.epilogue == LibraryEpilogue::bias || key.epilogue == LibraryEpilogue::gelu_aux_bias) {
        sum += static_cast<double>(vector[i]);
      }
      float* const before = aux == nullptr ? nullptr : aux + by_columns(key.aux_ld, i, j);
      if (key.epilogue == LibraryEpilogue::gelu_aux ||
          key.epilogue == LibraryEpilogue::gelu_aux_bias) {
        *before = static_cast<float>(sum);
        sum = gelu(sum);
      }
      if (key.epilogue == LibraryEpilogue::dgelu) sum *= slope(static_cast<double>(*before));
      out = static_cast<float>(sum);
    }
  }
}

/// Operands of one product, rows of all matrices padded by `padding` elements.
struct Case {
  Case(Layout a_lies, Layout b_lies, std::int64_t padding)
      : a_layout(a_lies),
        b_layout(b_lies),
        a(a_lies == Layout::plain ? Matrix(kM, kK + padding, 1) : Matrix(kK, kM + padding, 1)),
        b(b_lies == Layout::plain ? Matrix(kK, kN + padding, 2) : Matrix(kN, kK + padding, 2)),
        c(kM, kN + padding, 3),
        pre(kM, kN + padding, 4),
        bias(1, kN, 5),
        sums(1, kM, 6) {}

  [[nodiscard]] Product product(Epilogue epilogue, Write write, bool has_bias) {
    Product p{.m = kM,
              .n = kN,
              .k = kK,
              .a = a.view(),
              .b = b.view(),
              .a_layout = a_layout,
              .b_layout = b_layout,
              .write = write,
              .epilogue = epilogue,
              .c = c.view()};
    if (has_bias) p.bias = bias.view().reshape({kN});
    if (epilogue == Epilogue::column_sums) p.sums = sums.view().reshape({kM});
    if (epilogue == Epilogue::bias_gelu) p.pre_out = pre.view();
    if (epilogue == Epilogue::gelu_grad) p.pre_in = pre.view();
    return p;
  }

  [[nodiscard]] double left(std::int64_t m, std::int64_t k) const {
    return a_layout == Layout::plain ? a(m, k) : a(k, m);
  }
  [[nodiscard]] double right(std::int64_t k, std::int64_t n) const {
    return b_layout == Layout::plain ? b(k, n) : b(n, k);
  }

  Layout a_layout, b_layout;
  Matrix a, b, c, pre, bias, sums;
};

/// By the comments of gemm.hpp.
void multiply_by_rows(Case& o, Epilogue epilogue, Write write, bool has_bias) {
  for (std::int64_t m = 0; m < kM; ++m) {
    if (epilogue == Epilogue::column_sums) {
      double sum = 0.0;
      for (std::int64_t k = 0; k < kK; ++k) sum += o.left(m, k);
      o.sums.values[at(m)] = static_cast<float>(sum);
    }
    for (std::int64_t n = 0; n < kN; ++n) {
      double sum = write == Write::add ? o.c(m, n) : 0.0;
      for (std::int64_t k = 0; k < kK; ++k) sum += o.left(m, k) * o.right(k, n);
      if (has_bias) sum += o.bias(0, n);
      const std::size_t place = at(m * o.c.shape.second + n);
      if (epilogue == Epilogue::bias_gelu) {
        o.pre.values[place] = static_cast<float>(sum);
        sum = gelu(sum);
      }
      if (epilogue == Epilogue::gelu_grad) sum *= slope(o.pre(m, n));
      o.c.values[place] = static_cast<float>(sum);
    }
  }
}

struct Asked {
  Epilogue epilogue;
  Write write;
  bool has_bias;
};

constexpr std::array<Asked, 7> kAll{{{Epilogue::none, Write::set, false},
                                     {Epilogue::none, Write::add, false},
                                     {Epilogue::bias, Write::set, true},
                                     {Epilogue::bias_gelu, Write::set, true},
                                     {Epilogue::bias_gelu, Write::set, false},
                                     {Epilogue::gelu_grad, Write::set, false},
                                     {Epilogue::column_sums, Write::set, false}}};

TEST(GemmLayout, EveryLayoutAndEpilogue_asColumnMajor_isTheRowMajorProduct) {
  for (const Layout a : {Layout::plain, Layout::transposed}) {
    for (const Layout b : {Layout::plain, Layout::transposed}) {
      for (const std::int64_t padding : {0, 1, 4}) {
        for (const Asked& asked : kAll) {
          Case library(a, b, padding), truth(a, b, padding);
          const ColumnMajorProduct product =
              column_major(library.product(asked.epilogue, asked.write, asked.has_bias));
          SCOPED_TRACE(text(product.key));
          multiply_by_columns(product);
          multiply_by_rows(truth, asked.epilogue, asked.write, asked.has_bias);
          EXPECT_EQ(library.c.values, truth.c.values);
          EXPECT_EQ(library.pre.values, truth.pre.values);
          EXPECT_EQ(library.sums.values, truth.sums.values);
        }
      }
    }
  }
}

TEST(GemmLayout, Epilogues_haveTheNamesOfTheLibrary) {
  Case o(Layout::plain, Layout::plain, 0);
  const auto name = [&](const Asked& asked) {
    return column_major(o.product(asked.epilogue, asked.write, asked.has_bias)).key.epilogue;
  };
  EXPECT_EQ(name(kAll[2]), LibraryEpilogue::bias);
  EXPECT_EQ(name(kAll[3]), LibraryEpilogue::gelu_aux_bias);
  EXPECT_EQ(name(kAll[4]), LibraryEpilogue::gelu_aux);
  EXPECT_EQ(name(kAll[5]), LibraryEpilogue::dgelu);
  EXPECT_EQ(name(kAll[6]), LibraryEpilogue::bgradb);
}

/// y = gelu(x w^T + b) as bf16 [32, 24].
Product half_product(std::vector<BFloat16>& memory, const core::ConstView& bias) {
  const core::View matrix(memory.data(), {32, 24});
  return {.m = 32,
          .n = 24,
          .k = 24,
          .a = matrix,
          .b = matrix,
          .b_layout = Layout::transposed,
          .epilogue = Epilogue::bias_gelu,
          .bias = bias,
          .pre_out = matrix,
          .c = matrix};
}

TEST(GemmLayout, VectorsOfAnotherTypeThanTheResult_areNotOffered) {
  std::vector<BFloat16> memory(at(32 * 24));
  std::vector<float> wide(24);
  const core::ConstView half = core::View(memory.data(), {24}),
                        full = core::View(wide.data(), {24});
  EXPECT_TRUE(column_major(half_product(memory, half)).offered);
  EXPECT_FALSE(column_major(half_product(memory, full)).offered);
}

TEST(GemmLayout, ColumnSumsInFloatBesideWeightGradientsInFloat_areOffered) {
  std::vector<BFloat16> memory(at(32 * 24));
  std::vector<float> dw(at(24 * 24)), db(24);
  const core::View matrix(memory.data(), {32, 24});
  const Product p{.m = 24,
                  .n = 24,
                  .k = 32,
                  .a = matrix,
                  .b = matrix,
                  .a_layout = Layout::transposed,
                  .epilogue = Epilogue::column_sums,
                  .sums = core::View(db.data(), {24}),
                  .c = core::View(dw.data(), {24, 24})};
  const ColumnMajorProduct product = column_major(p);
  EXPECT_TRUE(product.offered);
  EXPECT_EQ(product.key.a.type, DType::bf16);
  EXPECT_EQ(product.key.d.type, DType::f32);
}

TEST(GemmLayout, PreActivationsWhoseRowsAreNoMultipleOfEight_areNotOffered) {
  for (const std::int64_t padding : {0, 1, 2}) {
    Case o(Layout::plain, Layout::plain, padding);
    const Product p = o.product(Epilogue::gelu_grad, Write::set, false);
    EXPECT_EQ(column_major(p).offered, (kN + padding) % 8 == 0) << padding;
    EXPECT_TRUE(column_major(o.product(Epilogue::bias, Write::set, true)).offered);
  }
}

TEST(GemmLayout, AddingWithAnEpilogue_isABrokenPromise) {
  Case o(Layout::plain, Layout::plain, 0);
  EXPECT_THROW((void)column_major(o.product(Epilogue::gelu_grad, Write::add, false)),
               core::LogicError);
}

TEST(GemmLayout, Alignment_isTheLeastOfAllMatrices_andPartOfTheKey) {
  alignas(64) std::array<float, 64> memory{};
  const auto key = [&](std::size_t a, std::size_t c, std::size_t bias) {
    const Product p{.m = 1,
                    .n = 4,
                    .k = 4,
                    .a = core::View(memory.data() + a, {1, 4}),
                    .b = core::View(memory.data(), {4, 4}),
                    .epilogue = Epilogue::bias,
                    .bias = core::View(memory.data() + bias, {4}),
                    .c = core::View(memory.data() + c, {1, 4})};
    return column_major(p).key;
  };
  EXPECT_EQ(key(16, 32, 48).alignment, 16);
  EXPECT_EQ(key(18, 32, 48).alignment, 8);
  EXPECT_EQ(key(18, 33, 48).alignment, 4);
  EXPECT_EQ(key(16, 32, 49).alignment, 16);
  EXPECT_EQ(key(16, 32, 49).vector_alignment, 4);
  EXPECT_NE(key(16, 32, 48), key(18, 32, 48));
  EXPECT_EQ(key(16, 32, 48), key(20, 32, 44));
}

TEST(GemmLayout, Text_saysAllThatTheKeyDoes) {
  Case o(Layout::plain, Layout::transposed, 1);
  Product p = o.product(Epilogue::bias_gelu, Write::set, true);
  GemmKey key = column_major(p).key;
  key.alignment = key.vector_alignment = 16;
  EXPECT_EQ(text(key), "tn f32:3x7/4 f32:3x5/4 f32:7x5/8 set gelu_aux_bias 8 16 16");
  p.pre_out = {};
  p.bias = {};
  p.epilogue = Epilogue::none;
  p.write = Write::add;
  key = column_major(p).key;
  key.alignment = 4;
  EXPECT_EQ(text(key), "tn f32:3x7/4 f32:3x5/4 f32:7x5/8 add none 0 4 16");
}

}  // namespace
}  // namespace epi::kernels::cuda
