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

#if defined(__AVX512BW__) && !defined(__clang__)
/// One permutation, of a vector whose lower half is one row and whose upper half the other: GCC 12
/// makes six instructions of the plain form.
template <class Halves>
EPI_INLINE Vec interleave_halves(Halves both) {
  using Shorts = short [[gnu::vector_size(64)]];
  constexpr Shorts kPlaces{0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                           8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return reinterpret_cast<Vec>(__builtin_ia32_permvarhi512_mask(reinterpret_cast<Shorts>(both),
                                                                kPlaces, Shorts{}, 0xffffffffU));
}
#endif

/// Pairs of the same column of two rows: lane j holds (low[j], high[j]).
EPI_INLINE Vec interleave(HVec low, HVec high) {
#if defined(__AVX512BW__) && !defined(__clang__)
  return interleave_halves(__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                                                   12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                                                   24, 25, 26, 27, 28, 29, 30, 31));
#else
  return reinterpret_cast<Vec>(__builtin_convertvector(low, UVec) |
                               (__builtin_convertvector(high, UVec) << 16));
#endif
}

/// The same of two rows of floats, rounded.
EPI_INLINE Vec interleave(Vec low, Vec high) {
#if defined(__AVX512BF16__) && !defined(__clang__)
  return interleave_halves(__builtin_ia32_cvtne2ps2bf16_v32hi(high, low));
#else
  return interleave(narrow(low), narrow(high));
#endif
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
