// Loops around a GEMM panel while it is in cache: bias, GELU (tanh form) and its derivative, column
// sums. See isa.hpp for the scheme. Matrices are row-major.
#pragma once

#include <cstdint>

namespace epi::kernels::cpu {

/// A finished product, rows x cols without gaps, and where it goes: element (i, j) belongs to
/// `to[i * stride + j]`.
struct Product {
  const float* from = nullptr;
  float* to = nullptr;
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

struct GemmLoops {
  /// to = from + bias; bias may be null.
  void (*set)(const Product& product, const float* bias);
  /// to += from.
  void (*add)(const Product& product);
  /// pre = from + bias (may be null), to = gelu_tanh(pre); `pre` has the stride of `to`.
  void (*set_gelu)(const Product& product, const float* bias, float* pre);
  /// to = from * gelu_tanh'(pre); `pre` has the stride of `to`.
  void (*set_gelu_grad)(const Product& product, const float* pre);
  /// to += from * gelu_tanh'(pre).
  void (*add_gelu_grad)(const Product& product, const float* pre);
  /// sums[j] = sum of data[i * stride + j] over i in 0..rows-1, in blocks of fixed size.
  void (*column_sums)(const float* data, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                      float* sums);
};

namespace base {
extern const GemmLoops gemm_loops;
}
namespace v3 {
extern const GemmLoops gemm_loops;
}
namespace v4 {
extern const GemmLoops gemm_loops;
}

}  // namespace epi::kernels::cpu
