// Loops around a GEMM panel while it is in cache: bias, GELU (tanh form) and its derivative, column
// sums. See isa.hpp for the scheme. Matrices are row-major with a row stride.
#pragma once

#include <cstdint>

namespace epi::kernels::cpu {

/// rows x cols elements of a row-major matrix from `data` on.
struct Panel {
  float* data = nullptr;
  std::int64_t stride = 0;  ///< elements from row to row
};

struct GemmLoops {
  /// y += bias in every row.
  void (*add_bias)(Panel y, const float* bias, std::int64_t rows, std::int64_t cols);
  /// pre += bias (when not null), then y = gelu_tanh(pre).
  void (*gelu)(Panel pre, Panel y, const float* bias, std::int64_t rows, std::int64_t cols);
  /// dx *= gelu_tanh'(pre).
  void (*gelu_grad)(Panel dx, const float* pre, std::int64_t pre_stride, std::int64_t rows,
                    std::int64_t cols);
  /// sums = column sums, top to bottom.
  void (*column_sums)(const float* data, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                      float* sums);
  /// to += from, `count` elements.
  void (*merge)(float* to, const float* from, std::int64_t count);
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
