// bfloat16 in memory, float in registers: loads widen, stores round to nearest even. With the
// overloads here a loop over elements of type T serves both types. For loops files only (isa.hpp).
#pragma once

#include "kernels/cpu/bf16_element.hpp"
#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

using HVec = std::uint16_t [[gnu::vector_size(32)]];       ///< sixteen bfloat16
using AnyHVec [[gnu::aligned(2), gnu::may_alias]] = HVec;  ///< anywhere in memory

/// One permutation that puts each half above sixteen zeros, where there is one: GCC 12 makes five
/// instructions of the plain form.
EPI_INLINE Vec widen(HVec half) {
#if defined(__AVX512BW__) && !defined(__clang__)
  using Words = short [[gnu::vector_size(64)]];
  constexpr Words kPlaces{0, 0, 1, 1, 2,  2,  3,  3,  4,  4,  5,  5,  6,  6,  7,  7,
                          8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15};
  constexpr std::uint32_t kOddPlaces = 0xaaaaaaaaU;
  const HVec none{};
  const auto lower = reinterpret_cast<Words>(
      __builtin_shufflevector(half, none, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1,
                              -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  return reinterpret_cast<Vec>(
      __builtin_ia32_permvarhi512_mask(lower, kPlaces, Words{}, kOddPlaces));
#else
  return reinterpret_cast<Vec>(__builtin_convertvector(half, UVec) << 16);
#endif
}

/// Rounds to nearest, ties to even, as core::to_bf16; NaN stays NaN. One instruction where there is
/// one (which rounds subnormal numbers to 0: below 1.2e-38, no activation lives there).
EPI_INLINE HVec narrow(Vec value) {
#if defined(__AVX512BF16__) && !defined(__clang__)
  return reinterpret_cast<HVec>(__builtin_ia32_cvtneps2bf16_v16sf(value));
#else
  const UVec bits = reinterpret_cast<UVec>(value);
  const UVec rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  const UVec quiet = (bits >> 16) | 0x40U;
  const IVec ordered = value == value;
  return __builtin_convertvector(ordered ? rounded : quiet, HVec);
#endif
}

EPI_INLINE Vec load(const Bf16* from) {
  return widen(*reinterpret_cast<const AnyHVec*>(from));
}
EPI_INLINE void store(Bf16* to, Vec value) {
  *reinterpret_cast<AnyHVec*>(to) = narrow(value);
}

/// What a store to memory of this type and a load would give.
EPI_INLINE Vec rounded(Vec value, float) {
  return value;
}
EPI_INLINE Vec rounded(Vec value, Bf16) {
  return widen(narrow(value));
}

/// As their float versions in vec.hpp.
EPI_INLINE Vec load_some(const Bf16* from, std::int64_t count, float fill = 0.0F) {
  if (count >= kLanes) return load(from);
  Vec value = splat(fill);
  for (std::int64_t lane = 0; lane < count; ++lane) {
    value[lane] = __builtin_bit_cast(float, static_cast<std::uint32_t>(from[lane]) << 16U);
  }
  return value;
}
EPI_INLINE void store_some(Bf16* to, Vec value, std::int64_t count) {
  if (count >= kLanes) return store(to, value);
  const HVec half = narrow(value);
  for (std::int64_t lane = 0; lane < count; ++lane) to[lane] = Bf16{half[lane]};
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
