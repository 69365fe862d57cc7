// Sixteen floats at once, for loops files only (see isa.hpp). A GCC vector: the compiler splits it
// into what the instruction set has, so one source serves SSE2, AVX2 and AVX-512. Everything is
// inlined and lies in the namespace of its instruction set.
//
// Elementary functions are polynomials fitted for this file (Lawson-weighted least squares towards
// minimax, in 40 digits; the errors stand beside them).
#pragma once

#include <cstdint>

#ifndef EPI_ISA_NAMESPACE  // only so that this header compiles alone
#define EPI_ISA_NAMESPACE base
#endif
#define EPI_INLINE [[gnu::always_inline]] static inline

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

inline constexpr std::int64_t kLanes = 16;

using Vec = float [[gnu::vector_size(64)]];
using IVec = std::int32_t [[gnu::vector_size(64)]];  ///< also the type of comparisons: 0 or -1
using UVec = std::uint32_t [[gnu::vector_size(64)]];

using AnyVec [[gnu::aligned(4), gnu::may_alias]] = Vec;  ///< a Vec anywhere in memory

EPI_INLINE Vec load(const float* from) {
  return *reinterpret_cast<const AnyVec*>(from);
}
EPI_INLINE void store(float* to, Vec value) {
  *reinterpret_cast<AnyVec*>(to) = value;
}

/// The smaller of two counts: loops files have no std::min (isa.hpp).
EPI_INLINE std::int64_t at_most(std::int64_t count, std::int64_t limit) {
  return count < limit ? count : limit;
}

EPI_INLINE Vec splat(float value) {
  return Vec{} + value;
}
EPI_INLINE IVec splat_int(std::int32_t value) {
  return IVec{} + value;
}

/// The first `count` (0..16) elements; the other lanes are `fill`.
EPI_INLINE Vec load_some(const float* from, std::int64_t count, float fill = 0.0F) {
  if (count >= kLanes) return load(from);
  Vec value = splat(fill);
  for (std::int64_t lane = 0; lane < count; ++lane) value[lane] = from[lane];
  return value;
}
EPI_INLINE void store_some(float* to, Vec value, std::int64_t count) {
  if (count >= kLanes) return store(to, value);
  for (std::int64_t lane = 0; lane < count; ++lane) to[lane] = value[lane];
}

/// Per lane: where the mask is -1 `yes`, where it is 0 `no`.
EPI_INLINE Vec select(IVec mask, Vec yes, Vec no) {
  return mask ? yes : no;
}
EPI_INLINE Vec minimum(Vec a, Vec b) {
  return a < b ? a : b;
}  ///< b where a is NaN
EPI_INLINE Vec maximum(Vec a, Vec b) {
  return a > b ? a : b;
}  ///< b where a is NaN
EPI_INLINE Vec as_float(IVec bits) {
  return reinterpret_cast<Vec>(bits);
}
EPI_INLINE IVec as_bits(Vec value) {
  return reinterpret_cast<IVec>(value);
}
EPI_INLINE Vec absolute(Vec x) {
  return as_float(as_bits(x) & 0x7fffffff);
}
EPI_INLINE Vec copy_sign(Vec magnitude, Vec sign) {
  return as_float(as_bits(magnitude) | (as_bits(sign) & splat_int(INT32_MIN)));
}
EPI_INLINE Vec to_float(IVec value) {
  return __builtin_convertvector(value, Vec);
}

// Reductions over lanes pair lane i with i+8, i+4, i+2, i+1: always the same order.
EPI_INLINE Vec rotate8(Vec v) {
  return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
}
EPI_INLINE Vec rotate4(Vec v) {
  return __builtin_shufflevector(v, v, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3);
}
EPI_INLINE Vec rotate2(Vec v) {
  return __builtin_shufflevector(v, v, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1);
}
EPI_INLINE float sum(Vec v) {
  v += rotate8(v);
  v += rotate4(v);
  v += rotate2(v);
  return v[0] + v[1];
}
EPI_INLINE float largest(Vec v) {
  v = maximum(v, rotate8(v));
  v = maximum(v, rotate4(v));
  v = maximum(v, rotate2(v));
  return v[0] > v[1] ? v[0] : v[1];
}

/// e^x within 2 ulp; 0 below -87.33 (no subnormal results), inf above 88.72; NaN stays NaN.
EPI_INLINE Vec exp(Vec x) {
  constexpr float kLowest = -87.3365F;
  constexpr float kHighest = 88.7228317F;  // the last one whose result is finite
  constexpr float kRound = 12582912.0F;    // 1.5 * 2^23: adding it rounds to the nearest integer
  const Vec shifted = x * 1.44269504F + kRound;
  const Vec n = shifted - kRound;
  const Vec r = (x - n * 0.693359375F) + n * 2.12194440e-4F;  // ln 2 in two parts
  // relative error 3.1e-9 on |r| <= ln(2) / 2
  Vec q = r * 1.381446258e-03F + 8.368780836e-03F;
  q = q * r + 4.166839272e-02F;
  q = q * r + 1.666651964e-01F;
  q = q * r + 4.999999404e-01F;
  const Vec e = (q * r * r + r) + 1.0F;
  // Times 2^n by adding n to the exponent: n lies in the low bits of `shifted`, and the shift drops
  // the others. Within the limits no exponent overflows, 2^128 times less than 1 included.
  const UVec scaled = reinterpret_cast<UVec>(e) + (reinterpret_cast<UVec>(shifted) << 23);
  const Vec high = x + __builtin_inff();  // inf, or NaN
  const Vec result = select(x <= splat(kHighest), reinterpret_cast<Vec>(scaled), high);
  return select(x < splat(kLowest), Vec{}, result);
}

/// 2^x within 2.1 ulp for x in -125..0, as softmax needs it; below, what it is at -125 (2.4e-38);
/// NaN stays NaN. Half as long as exp: one scaling, by adding to the exponent.
EPI_INLINE Vec exp2_nonpositive(Vec x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to the nearest integer
  const Vec clipped = maximum(splat(-125.0F), x);
  const Vec shifted = clipped + kRound;
  const Vec r = clipped - (shifted - kRound);
  // relative error 9.2e-8 on |r| <= 1/2
  Vec q = r * 1.326472725e-03F + 9.671512786e-03F;
  q = q * r + 5.550733744e-02F;
  q = q * r + 2.402224208e-01F;
  q = q * r + 6.931469776e-01F;
  // The integer lies in the low bits of `shifted`, whose other bits the shift drops.
  return (q * r + 1.0F) * as_float((as_bits(shifted) << 23) + 0x3f800000);
}

/// tanh x within 3 ulp; NaN stays NaN.
EPI_INLINE Vec tanh(Vec x) {
  const Vec size = absolute(x);
  const Vec z = x * x;
  // |x| < 0.625: relative error 4.1e-9
  Vec q = z * -5.717025604e-03F + 2.065056935e-02F;
  q = q * z - 5.374349281e-02F;
  q = q * z + 1.333149076e-01F;
  q = q * z - 3.333328366e-01F;
  const Vec small = q * z * x + x;
  const Vec large = 1.0F - 2.0F / (exp(size + size) + 1.0F);
  return select(size < splat(0.625F), small, copy_sign(large, x));
}

/// erf x within 2e-7 absolute; NaN stays NaN.
EPI_INLINE Vec erf(Vec x) {
  const Vec z = x * x;
  // |x| < 1: erf(x) / x, error 1.2e-9
  Vec p = z * 7.889114931e-05F - 8.020839887e-04F;
  p = p * z + 5.189535208e-03F;
  p = p * z - 2.685444430e-02F;
  p = p * z + 1.128360033e-01F;
  p = p * z - 3.761262596e-01F;
  p = p * z + 1.128379107e+00F;
  // from 1 to 4: log(1 - erf(t)), error of erfc 1.0e-9; beyond 4 erf is 1 in float
  const Vec size = absolute(x);
  const Vec t = select(size > splat(4.0F), splat(4.0F), size);
  Vec q = t * 1.855760056e-04F - 2.939626342e-03F;
  q = q * t + 2.180539258e-02F;
  q = q * t - 1.030375212e-01F;
  q = q * t - 6.382254958e-01F;
  q = q * t - 1.127040148e+00F;
  q = q * t - 3.536956792e-04F;
  return select(size < splat(1.0F), p * x, copy_sign(1.0F - exp(q), x));
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
