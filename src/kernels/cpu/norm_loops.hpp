// Loops over rows of H elements: sums of rows, dropout, LayerNorm and its gradient. See isa.hpp for
// the scheme. A row stays in the first-level cache between its passes, so memory is read and
// written once. T is the type of activations: float or Bf16.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16_element.hpp"
#include "kernels/cpu/dropout_key.hpp"

namespace epi::kernels::cpu {

/// Neighbouring rows of one sample. Pointers are at the first row; arrays may be the same memory
/// where the op allows it. mean and rstd are those of `sum` as memory holds it.
template <class T>
struct NormRows {
  const T* x;
  const T* residual;  ///< or null
  const float* gamma;
  const float* beta;
  T* sum;
  T* out;
  float* mean;
  float* rstd;
  std::int64_t rows;
  std::int64_t hidden;
  float epsilon;
  DropoutKey key;      ///< applied to x
  std::int64_t first;  ///< number of the first element within its sample
};

/// The gradient of such rows. Types may differ: embed_grad keeps sums in float.
template <class Sum, class Dout, class Dsum>
struct NormGradRows {
  const Sum* sum;
  const float* mean;
  const float* rstd;
  const float* gamma;
  const Dout* dout;  ///< may be dsum
  Dsum* dsum;
  Dsum* dx;       ///< dsum through dropout, or null
  float* dgamma;  ///< +=
  float* dbeta;   ///< +=
  std::int64_t rows;
  std::int64_t hidden;
  DropoutKey key;  ///< for dx
  std::int64_t first;
};

/// One token: out = dropout(LayerNorm(the sum of `count` = 1..4 table rows)).
template <class T>
struct EmbedRow {
  const float* const* rows;
  std::int64_t count;
  const float* gamma;
  const float* beta;
  float* sum;  ///< room for one row
  T* out;
  float* mean;
  float* rstd;
  std::int64_t hidden;
  float epsilon;
  DropoutKey key;  ///< applied to the output
  std::int64_t first;
};

template <class T>
struct EmbedGradRow {
  const float* const* rows;
  std::int64_t count;
  const float* mean;
  const float* rstd;
  const float* gamma;
  const T* dout;
  float* sum;     ///< room for one row
  float* dsum;    ///< gradient of the sum, and so of each table row
  float* dgamma;  ///< +=
  float* dbeta;   ///< +=
  std::int64_t hidden;
  DropoutKey key;
  std::int64_t first;
};

/// out = (or += with `adds`) the sum over i of weights[entries[i]] * in[entries[i]], in this order.
template <class T>
struct RowSum {
  const T* in;                  ///< [.., hidden]
  const std::int32_t* entries;  ///< `count` rows of `in`
  const float* weights;         ///< by row of `in`, or null: 1
  T* out;
  std::int64_t count;
  std::int64_t hidden;
  bool adds;
};

template <class T>
struct NormLoopsOf {
  void (*forward)(const NormRows<T>& job);
  void (*gradient)(const NormGradRows<T, T, T>& job);
  void (*embed)(const EmbedRow<T>& job);
  void (*embed_gradient)(const EmbedGradRow<T>& job);
  /// to = scale * from.
  void (*scaled)(float scale, const T* from, std::int64_t hidden, T* to);
  void (*sum_entries)(const RowSum<T>& job);
};

struct NormLoops {
  NormLoopsOf<float> f32;
  NormLoopsOf<Bf16> bf16;
  /// to += from.
  void (*add)(const float* from, std::int64_t hidden, float* to);
};

namespace base {
extern const NormLoops norm_loops;
}
namespace v3 {
extern const NormLoops norm_loops;
}
namespace v4 {
extern const NormLoops norm_loops;
}

/// The table of this processor.
[[nodiscard]] const NormLoops& norm_loops();

/// Its part for activations of type T.
template <class T>
[[nodiscard]] const NormLoopsOf<T>& norm_loops_of() {
  if constexpr (sizeof(T) == sizeof(float)) {
    return norm_loops().f32;
  } else {
    return norm_loops().bf16;
  }
}

}  // namespace epi::kernels::cpu
