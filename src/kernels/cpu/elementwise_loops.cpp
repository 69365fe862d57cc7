// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/elementwise_loops.hpp"

#include "kernels/cpu/vec_activation.hpp"
#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_span.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

template <class Function, class T>
void apply(const T* x, T* y, std::int64_t count) {
  walk(count, [&](std::int64_t i, std::int64_t lanes)
                  EPI_STEP { store_some(y + i, Function::value(load_some(x + i, lanes)), lanes); });
}

template <class Function, class T>
void apply_grad(const T* x, const T* dy, T* dx, std::int64_t count) {
  walk(count, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
    const Vec slope = Function::slope(load_some(x + i, lanes));
    store_some(dx + i, slope * load_some(dy + i, lanes), lanes);
  });
}

void combine(const float* a, const float* b, float* out, std::int64_t count) {
  walk(count, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
    store_some(out + i, load_some(a + i, lanes) + load_some(b + i, lanes), lanes);
  });
}

/// Round to nearest even; NaN stays NaN (quiet), as core::to_bf16.
void to_bf16(const float* in, std::uint16_t* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, in + i, sizeof bits);
    const bool nan = (bits & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
    out[i] = static_cast<std::uint16_t>(nan ? (bits >> 16U) | 0x40U : rounded);
  }
}

void from_bf16(const std::uint16_t* in, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = std::uint32_t{in[i]} << 16U;
    __builtin_memcpy(out + i, &bits, sizeof bits);
  }
}

using Doubles = double [[gnu::vector_size(64)]];
using HalfVec = float [[gnu::vector_size(32)]];

/// In double: squares of gradients span many orders. Four chains hide the latency of adding.
double sum_squares(const float* in, std::int64_t count) {
  constexpr std::int64_t kHalf = 8;
  constexpr std::int64_t kChains = 4;
  Doubles total[kChains] = {};
  std::int64_t i = 0;
  for (; i + kHalf * kChains <= count; i += kHalf * kChains) {
    for (std::int64_t chain = 0; chain < kChains; ++chain) {
      HalfVec part;
      __builtin_memcpy(&part, in + i + chain * kHalf, sizeof part);
      const Doubles wide = __builtin_convertvector(part, Doubles);
      total[chain] += wide * wide;
    }
  }
  const Doubles lanes = (total[0] + total[1]) + (total[2] + total[3]);
  double result = 0.0;
  for (std::int64_t lane = 0; lane < kHalf; ++lane) result += lanes[lane];
  for (; i < count; ++i) result += static_cast<double>(in[i]) * static_cast<double>(in[i]);
  return result;
}

void adam(const AdamStretch& job) {
  // The four arrays never overlap (ops.cpp): without that promise there would be no vectors.
  float* __restrict__ p = job.parameters;
  const float* __restrict__ g = job.gradients;
  float* __restrict__ m = job.moment1;
  float* __restrict__ v = job.moment2;
  const AdamStretch a = job;
  const float rest1 = 1.0F - a.beta1;
  const float rest2 = 1.0F - a.beta2;
  for (std::int64_t i = 0; i < a.count; ++i) {
    const float gradient = g[i] * a.clip;
    const float m1 = a.beta1 * m[i] + rest1 * gradient;
    const float m2 = a.beta2 * v[i] + rest2 * gradient * gradient;
    const float scale = __builtin_sqrtf(m2 * a.inverse_correction2) + a.epsilon;
    const float step = m1 * a.inverse_correction1 / scale + a.decay * p[i];
    m[i] = m1;
    v[i] = m2;
    p[i] -= a.learning_rate * step;
  }
}

/// The first half of `adam`: moments, and u in place of p - lr u.
void follow(const AdamStretch& a, std::int64_t first, std::int64_t count,
            float* __restrict__ directions) {
  const float* __restrict__ p = a.parameters + first;
  const float* __restrict__ g = a.gradients + first;
  float* __restrict__ m = a.moment1 + first;
  float* __restrict__ v = a.moment2 + first;
  const float rest1 = 1.0F - a.beta1;
  const float rest2 = 1.0F - a.beta2;
  for (std::int64_t i = 0; i < count; ++i) {
    const float gradient = g[i] * a.clip;
    const float m1 = a.beta1 * m[i] + rest1 * gradient;
    const float m2 = a.beta2 * v[i] + rest2 * gradient * gradient;
    const float scale = __builtin_sqrtf(m2 * a.inverse_correction2) + a.epsilon;
    directions[i] = m1 * a.inverse_correction1 / scale + a.decay * p[i];
    m[i] = m1;
    v[i] = m2;
  }
}

/// Directions of a short piece stay in the nearest cache until their squares are added.
LambNorms lamb_moments(const AdamStretch& job) {
  constexpr std::int64_t kPiece = 1024;
  alignas(64) float directions[kPiece];
  const AdamStretch a = job;
  LambNorms norms{};
  for (std::int64_t first = 0; first < a.count; first += kPiece) {
    const std::int64_t count = a.count - first < kPiece ? a.count - first : kPiece;
    follow(a, first, count, directions);
    norms.parameters += sum_squares(a.parameters + first, count);
    norms.directions += sum_squares(directions, count);
  }
  return norms;
}

void lamb_parameters(const AdamStretch& job) {
  float* __restrict__ p = job.parameters;
  const float* __restrict__ m = job.moment1;
  const float* __restrict__ v = job.moment2;
  const AdamStretch a = job;
  for (std::int64_t i = 0; i < a.count; ++i) {
    const float scale = __builtin_sqrtf(v[i] * a.inverse_correction2) + a.epsilon;
    p[i] -= a.learning_rate * (m[i] * a.inverse_correction1 / scale + a.decay * p[i]);
  }
}

template <class T>
constexpr ActivationLoops<T> activation_loops{apply<Gelu, T>,          apply<GeluTanh, T>,
                                              apply<Tanh, T>,          apply_grad<Gelu, T>,
                                              apply_grad<GeluTanh, T>, apply_grad<Tanh, T>};

}  // namespace

extern const ElementwiseLoops elementwise_loops{activation_loops<float>,
                                                activation_loops<Bf16>,
                                                combine,
                                                to_bf16,
                                                from_bf16,
                                                sum_squares,
                                                adam,
                                                lamb_moments,
                                                lamb_parameters};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
