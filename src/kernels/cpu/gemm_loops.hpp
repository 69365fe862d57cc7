// Loops around a GEMM panel while it is in cache: bias, activation and its derivative, rounding to
// the type of activations. See isa.hpp for the scheme. Matrices are row-major.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16_element.hpp"

namespace epi::kernels::cpu {

/// A finished product, rows x cols without gaps, and where it goes: element (i, j) belongs to
/// `to[i * stride + j]`.
template <class T>
struct Product {
  const float* from = nullptr;
  T* to = nullptr;
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

/// Epilogues into elements of type T. `pre` has the stride of `to`.
template <class T>
struct Epilogues {
  /// to = from + bias; bias may be null.
  void (*set)(const Product<T>& product, const float* bias);
  /// to += from.
  void (*add)(const Product<T>& product);
  /// pre = from + bias (may be null), to = gelu_tanh(pre).
  void (*set_gelu)(const Product<T>& product, const float* bias, T* pre);
  /// to = from * gelu_tanh'(pre).
  void (*set_gelu_grad)(const Product<T>& product, const T* pre);
  /// to += from * gelu_tanh'(pre).
  void (*add_gelu_grad)(const Product<T>& product, const T* pre);
};

struct GemmLoops {
  Epilogues<float> full;
  Epilogues<Bf16> half;
  /// to = from, past the caches: for results that nobody reads soon.
  void (*set_far)(const Product<float>& product);
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
