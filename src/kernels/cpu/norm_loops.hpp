// Loops over rows of H elements: sums of rows, dropout, LayerNorm and its gradient. See isa.hpp for
// the scheme. A row stays in the first-level cache between its passes, so memory is read and
// written once.
#pragma once

#include <cstdint>

#include "kernels/cpu/dropout_key.hpp"

namespace epi::kernels::cpu {

/// Neighbouring rows of one sample. Pointers are at the first row; arrays may be the same memory
/// where the op allows it.
struct NormRows {
  const float* x;
  const float* residual;  ///< or null
  const float* gamma;
  const float* beta;
  float* sum;
  float* out;
  float* mean;
  float* rstd;
  std::int64_t rows;
  std::int64_t hidden;
  float epsilon;
  DropoutKey key;      ///< applied to x
  std::int64_t first;  ///< number of the first element within its sample
};

struct NormGradRows {
  const float* sum;
  const float* mean;
  const float* rstd;
  const float* gamma;
  const float* dout;  ///< may be dsum
  float* dsum;
  float* dx;      ///< dsum through dropout, or null
  float* dgamma;  ///< +=
  float* dbeta;   ///< +=
  std::int64_t rows;
  std::int64_t hidden;
  DropoutKey key;
  std::int64_t first;
};

struct NormLoops {
  void (*forward)(const NormRows& job);
  void (*gradient)(const NormGradRows& job);
  /// to = the sum of `count` >= 1 rows.
  void (*sum_rows)(const float* const* rows, std::int64_t count, std::int64_t hidden, float* to);
  /// to = from times the dropout factors of elements `first` on.
  void (*drop)(const DropoutKey& key, std::int64_t first, std::int64_t hidden, const float* from,
               float* to);
  /// to += scale * from.
  void (*add_scaled)(float scale, const float* from, std::int64_t hidden, float* to);
  /// to = scale * from.
  void (*scaled)(float scale, const float* from, std::int64_t hidden, float* to);
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

}  // namespace epi::kernels::cpu
