// Exchanging rows and columns of lanes of 32 bits: floats, or pairs of bfloat16. For loops files
// only (isa.hpp).
#pragma once

#include "kernels/cpu/vec_bf16.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

/// Four rounds of a perfect shuffle exchange row and column numbers.
EPI_INLINE void transpose_lanes(Vec* a) {
  Vec b[kLanes];
  for (int round = 0; round < 4; ++round) {
    for (std::int64_t i = 0; i < kLanes / 2; ++i) {
      b[2 * i] = __builtin_shufflevector(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                         6, 22, 7, 23);
      b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                             13, 29, 14, 30, 15, 31);
    }
    for (std::int64_t i = 0; i < kLanes; ++i) a[i] = b[i];
  }
}

/// Pairs of the same column of two rows: lane j holds (low[j], high[j]).
EPI_INLINE Vec interleave(HVec low, HVec high) {
  return reinterpret_cast<Vec>(__builtin_convertvector(low, UVec) |
                               (__builtin_convertvector(high, UVec) << 16));
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
