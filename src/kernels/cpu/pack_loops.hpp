// Operands of matrix products in the form that oneDNN multiplies fastest. See isa.hpp for the
// scheme, packed.hpp for the form.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16_element.hpp"

namespace epi::kernels::cpu {

/// Packing from elements of type From to elements of type To.
template <class From, class To>
struct PackLoops {
  /// One column block of a right operand [k, n] into `to`, depth x 64: `cols` (1..64) columns
  /// exist, the others and rows from k on become 0.
  using Right = void (*)(const From* from, std::int64_t stride, std::int64_t k, std::int64_t cols,
                         To* to);
  Right rows;       ///< element (i, j) is from[i * stride + j]
  Right columns;    ///< element (i, j) is from[j * stride + i]: the transpose lies in memory
  Right rows_gelu;  ///< as rows, through gelu or gelu_tanh
  Right rows_gelu_tanh;
};

/// Transposing a left operand: to[j * ld + i] = from[i * stride + j] for i < rows, j < cols, and 0
/// for i in rows..ld-1; ld is a multiple of 16 (float) or 32 (bf16). sums[j] = sum over i of from[i
/// * stride + j], in blocks of 256 rows; sums may be null.
template <class T>
using TransposeLoop = void (*)(const T* from, std::int64_t stride, std::int64_t rows,
                               std::int64_t cols, T* to, std::int64_t ld, float* sums);

struct PackTable {
  PackLoops<float, float> same;
  PackLoops<float, Bf16> narrowing;
  PackLoops<Bf16, Bf16> half;
  TransposeLoop<float> transpose;
  TransposeLoop<Bf16> transpose_half;
};

namespace base {
extern const PackTable pack_table;
}
namespace v3 {
extern const PackTable pack_table;
}
namespace v4 {
extern const PackTable pack_table;
}

}  // namespace epi::kernels::cpu
