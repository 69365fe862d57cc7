// Loops over flat arrays: activations, sums, conversions, norms, AdamW and LAMB. See isa.hpp for
// the scheme. All are bound by memory but the erf GELU.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16_element.hpp"

namespace epi::kernels::cpu {

/// What AdamW and LAMB need for one stretch of one tensor.
struct AdamStretch {
  float* parameters;
  const float* gradients;
  float* moment1;
  float* moment2;
  std::int64_t count;
  float clip;
  float beta1;
  float beta2;
  float inverse_correction1;
  float inverse_correction2;
  float learning_rate;
  float epsilon;
  float decay;
};

/// Sums of squares over a stretch of a tensor, of its parameters and of the directions u in which
/// they are to go (UpdateArgs).
struct LambNorms {
  double parameters;
  double directions;
};

/// Activations and their gradients on elements of T: float or Bf16.
template <class T>
struct ActivationLoops {
  using Unary = void (*)(const T* x, T* y, std::int64_t count);
  using Gradient = void (*)(const T* x, const T* dy, T* dx, std::int64_t count);
  Unary gelu;
  Unary gelu_tanh;
  Unary tanh;
  Gradient gelu_grad;
  Gradient gelu_tanh_grad;
  Gradient tanh_grad;
};

struct ElementwiseLoops {
  ActivationLoops<float> f32;
  ActivationLoops<Bf16> bf16;
  void (*combine)(const float* a, const float* b, float* out, std::int64_t count);
  void (*to_bf16)(const float* in, std::uint16_t* out, std::int64_t count);
  void (*from_bf16)(const std::uint16_t* in, float* out, std::int64_t count);
  double (*sum_squares)(const float* in, std::int64_t count);
  void (*adam)(const AdamStretch& job);
  /// New moments, and the norms with them; parameters are left.
  LambNorms (*lamb_moments)(const AdamStretch& job);
  /// p -= learning_rate * u of the new moments: the trust ratio is in the learning rate.
  void (*lamb_parameters)(const AdamStretch& job);
};

namespace base {
extern const ElementwiseLoops elementwise_loops;
}
namespace v3 {
extern const ElementwiseLoops elementwise_loops;
}
namespace v4 {
extern const ElementwiseLoops elementwise_loops;
}

/// The table of this processor.
[[nodiscard]] const ElementwiseLoops& elementwise_loops();

}  // namespace epi::kernels::cpu
