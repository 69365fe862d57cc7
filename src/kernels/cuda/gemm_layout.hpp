// A row-major product in the words of a column-major library: pure host code, so that it is tested
// without one (tests/simt/gemm_layout_test.cpp).
//
// A row-major matrix [R, C] whose rows are W apart is, read by columns, a matrix of C rows and R
// columns with leading dimension W: its transpose. So c = a b is asked for as c^T = b^T a^T, and
// the library's A is our b. Its D has N rows and M columns; a bias per row of D is one per column
// of c; sums over k of its B (BGRADB) are row sums of our a.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <string>

#include "kernels/cuda/gemm.hpp"

namespace epi::kernels::cuda {

/// Epilogues by the library's names.
enum class LibraryEpilogue : std::uint8_t { none, bias, gelu_aux, gelu_aux_bias, dgelu, bgradb };

/// A matrix read by columns: rows x columns, `ld` elements from one column to the next.
struct ColumnMajorMatrix {
  core::DType type = core::DType::f32;
  std::int64_t rows = 0, columns = 0, ld = 0;
  friend auto operator<=>(const ColumnMajorMatrix&, const ColumnMajorMatrix&) = default;
};

/// What decides which algorithms a product may take, and nothing else: products with equal keys
/// share a plan. D = epilogue(op(A) op(B)) (+ D).
struct GemmKey {
  ColumnMajorMatrix a{}, b{}, d{};
  bool transpose_a = false, transpose_b = false;
  bool accumulate = false;
  LibraryEpilogue epilogue = LibraryEpilogue::none;
  std::int64_t aux_ld = 0;
  /// Bytes that the addresses of all matrices are multiples of, 16 at most: no instruction of the
  /// library asks for more. Then that of the vector.
  std::int32_t alignment = 0, vector_alignment = 0;
  friend auto operator<=>(const GemmKey&, const GemmKey&) = default;
};

/// Addresses of one call.
struct GemmOperands {
  const void* a = nullptr;
  const void* b = nullptr;
  void* d = nullptr;
  const void* vector = nullptr;  ///< bias, or where its gradient goes
  const void* aux = nullptr;     ///< pre-activations, read or written
};

struct ColumnMajorProduct {
  GemmKey key{};
  GemmOperands operands{};
  /// False where the library's rules leave no way to ask for it: vectors and pre-activations are of
  /// the type of D, and columns of pre-activations are a multiple of 8 elements apart.
  bool offered = true;
};

namespace gemm_layout {

/// As it lies in memory, read by columns: `rows` x `columns` are those of the row-major matrix.
inline ColumnMajorMatrix by_columns(const core::ConstView& view, std::int64_t rows,
                                    std::int64_t columns) {
  return {.type = view.dtype(), .rows = columns, .columns = rows, .ld = view.shape(1)};
}

inline LibraryEpilogue library_epilogue(const Product& p) {
  switch (p.epilogue) {
    case Epilogue::none:
      return LibraryEpilogue::none;
    case Epilogue::bias:
      return LibraryEpilogue::bias;
    case Epilogue::bias_gelu:
      return p.bias ? LibraryEpilogue::gelu_aux_bias : LibraryEpilogue::gelu_aux;
    case Epilogue::gelu_grad:
      return LibraryEpilogue::dgelu;
    case Epilogue::column_sums:
      return LibraryEpilogue::bgradb;
  }
  return LibraryEpilogue::none;
}

/// Bytes that an address is a multiple of, 16 at most; 16 for an absent one.
inline std::int32_t alignment_of(const void* address) {
  const auto bits = reinterpret_cast<std::uintptr_t>(address);
  return 1 << std::min(4, std::countr_zero(bits));
}

inline const char* name_of(LibraryEpilogue epilogue) {
  constexpr std::array<const char*, 6> kNames{"none",          "bias",  "gelu_aux",
                                              "gelu_aux_bias", "dgelu", "bgradb"};
  return kNames[static_cast<std::size_t>(epilogue)];
}

inline std::string text(const ColumnMajorMatrix& matrix) {
  const char* type = matrix.type == core::DType::bf16 ? "bf16" : "f32";
  return std::string(type) + ":" + std::to_string(matrix.rows) + "x" +
         std::to_string(matrix.columns) + "/" + std::to_string(matrix.ld);
}

}  // namespace gemm_layout

/// "tn bf16:768x3072/768 bf16:768x32768/768 bf16:3072x32768/3072 set bias 0 16 16": op(A), op(B),
/// A, B, D, then what the key says beside.
inline std::string text(const GemmKey& key) {
  std::string line;
  line += key.transpose_a ? 't' : 'n';
  line += key.transpose_b ? 't' : 'n';
  for (const ColumnMajorMatrix& matrix : {key.a, key.b, key.d}) {
    line += ' ' + gemm_layout::text(matrix);
  }
  line += key.accumulate ? " add " : " set ";
  line += gemm_layout::name_of(key.epilogue);
  for (const std::int64_t number :
       {key.aux_ld, std::int64_t{key.alignment}, std::int64_t{key.vector_alignment}}) {
    line += ' ' + std::to_string(number);
  }
  return line;
}

/// Our product in the library's words. LogicError for one that adds and has an epilogue.
inline ColumnMajorProduct column_major(const Product& p) {
  core::require(p.write == Write::set || p.epilogue == Epilogue::none,
                "a product that adds to its result has no epilogue");
  using gemm_layout::alignment_of;
  using gemm_layout::by_columns;
  const bool b_lies_transposed = p.b_layout == Layout::transposed;
  const bool a_lies_transposed = p.a_layout == Layout::transposed;
  const core::ConstView aux = p.pre_out ? core::ConstView(p.pre_out) : p.pre_in;
  const core::ConstView vector = p.sums ? core::ConstView(p.sums) : p.bias;
  ColumnMajorProduct product;
  product.operands = {
      .a = p.b.raw(), .b = p.a.raw(), .d = p.c.raw(), .vector = vector.raw(), .aux = aux.raw()};
  const GemmOperands& o = product.operands;
  product.key = {.a = b_lies_transposed ? by_columns(p.b, p.n, p.k) : by_columns(p.b, p.k, p.n),
                 .b = a_lies_transposed ? by_columns(p.a, p.k, p.m) : by_columns(p.a, p.m, p.k),
                 .d = by_columns(p.c, p.m, p.n),
                 .transpose_a = b_lies_transposed,
                 .transpose_b = a_lies_transposed,
                 .accumulate = p.write == Write::add,
                 .epilogue = gemm_layout::library_epilogue(p),
                 .aux_ld = aux ? aux.shape(1) : 0,
                 .alignment = std::min({alignment_of(o.a), alignment_of(o.b), alignment_of(o.d),
                                        alignment_of(o.aux)}),
                 .vector_alignment = alignment_of(o.vector)};
  const core::DType type = p.c.dtype();
  product.offered = (!vector || vector.dtype() == type) && (!aux || aux.dtype() == type) &&
                    product.key.aux_ld % 8 == 0;
  return product;
}

}  // namespace epi::kernels::cuda
