// Activations and their slopes on sixteen floats, for loops files only (see isa.hpp).
//
// gelu(x) = x Phi(x); gelu_tanh(x) = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3)
// (arXiv 1606.08415, section 2).
#pragma once

#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

/// 1 / x within 2 ulp for x from 1 to 2^120: a third of the time of a division where there is an
/// estimate of 14 bits to refine.
EPI_INLINE Vec reciprocal(Vec x) {
#if defined(__AVX512F__) && !defined(__clang__)
  const Vec estimate = __builtin_ia32_rcp14ps512_mask(x, Vec{}, 0xffff);
  return estimate * (2.0F - x * estimate);
#else
  return 1.0F / x;
#endif
}

struct AsIs {
  EPI_INLINE Vec value(Vec x) { return x; }
};

struct Gelu {
  EPI_INLINE Vec normal_cdf(Vec x) { return 0.5F * erf(x * 0.7071067812F) + 0.5F; }
  EPI_INLINE Vec value(Vec x) { return x * normal_cdf(x); }
  EPI_INLINE Vec slope(Vec x) {
    constexpr float kInverseSqrt2Pi = 0.3989422804F;
    return normal_cdf(x) + x * kInverseSqrt2Pi * exp(x * x * -0.5F);
  }
};

struct GeluTanh {
  static constexpr float kScale = 0.7978845608F;
  static constexpr float kCube = 0.044715F;
  /// (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)): one exponential, exact at both ends. Beyond e^80 the
  /// gate is 0 to any activation; NaN stays NaN.
  EPI_INLINE Vec gate(Vec x) {
    const Vec minus_twice_u = x * (x * x * (-2.0F * kScale * kCube) - 2.0F * kScale);
    const Vec limited = select(minus_twice_u > splat(80.0F), splat(80.0F), minus_twice_u);
    return reciprocal(1.0F + exp(limited));
  }
  EPI_INLINE Vec value(Vec x) { return x * gate(x); }
  /// With g = gate(x): g + x g (1 - g) 2 u'(x).
  EPI_INLINE Vec slope(Vec x) {
    const Vec g = gate(x);
    return g + x * (g - g * g) * (x * x * (6.0F * kScale * kCube) + 2.0F * kScale);
  }
};

struct Tanh {
  EPI_INLINE Vec value(Vec x) { return tanh(x); }
  EPI_INLINE Vec slope(Vec x) {
    const Vec t = tanh(x);
    return 1.0F - t * t;
  }
};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
