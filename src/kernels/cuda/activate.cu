// Activations that no product's epilogue covers, and their gradients. Bound by memory, but for the
// erf GELU of bf16, whose arithmetic takes about as long.
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/flat_loops.cuh"
#include "kernels/cuda/row_dispatch.hpp"

namespace epi::kernels::cuda {
namespace {

/// x Phi(x) (arXiv 1606.08415, section 2).
struct Gelu {
  static __device__ float normal_cdf(float x) { return 0.5F * erff(x * 0.7071067812F) + 0.5F; }
  static __device__ float value(float x) { return x * normal_cdf(x); }
  static __device__ float slope(float x) {
    constexpr float kInverseSqrt2Pi = 0.3989422804F;
    constexpr float kHalfLog2E = 0.7213475204F;
    return normal_cdf(x) + x * kInverseSqrt2Pi * simt::exp2_fast(x * x * -kHalfLog2E);
  }
};

/// x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3).
struct GeluTanh {
  static constexpr float kScale = 0.7978845608F;
  static constexpr float kCube = 0.044715F;
  static constexpr float kLog2E = 1.4426950409F;
  /// (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)): one exponential, exact at both ends; beyond 2^120 the
  /// gate is 0 to any activation. The hardware's tanh would err by a 16th of a bf16 rounding.
  static __device__ float gate(float x) {
    const float power = x * (x * x * (-2.0F * kLog2E * kScale * kCube) - 2.0F * kLog2E * kScale);
    return 1.0F / (1.0F + simt::exp2_fast(power > 120.0F ? 120.0F : power));
  }
  static __device__ float value(float x) { return x * gate(x); }
  /// With g = gate(x): g + x g (1 - g) 2 u'(x).
  static __device__ float slope(float x) {
    const float g = gate(x);
    return g + x * (g - g * g) * (x * x * (6.0F * kScale * kCube) + 2.0F * kScale);
  }
};

struct Tanh {
  static __device__ float value(float x) { return tanhf(x); }
  static __device__ float slope(float x) {
    const float t = tanhf(x);
    return 1.0F - t * t;
  }
};

template <class Function, class T>
struct Activate {
  const T* x;
  T* y;  ///< may be x
  template <bool kWhole>
  __device__ void operator()(std::int64_t first, int count) const {
    float values[kEight];
    load_floats<kWhole>(x + first, 0, count, values);
#pragma unroll
    for (int j = 0; j < kEight; ++j) values[j] = Function::value(values[j]);
    store_floats<kWhole>(y + first, 0, count, values);
  }
};

template <class Function, class T>
struct ActivateGrad {
  const T* x;
  const T* dy;
  T* dx;  ///< may be dy
  template <bool kWhole>
  __device__ void operator()(std::int64_t first, int count) const {
    float values[kEight], gradients[kEight];
    load_floats<kWhole>(x + first, 0, count, values);
    load_floats<kWhole>(dy + first, 0, count, gradients);
#pragma unroll
    for (int j = 0; j < kEight; ++j) gradients[j] *= Function::slope(values[j]);
    store_floats<kWhole>(dx + first, 0, count, gradients);
  }
};

/// use(Function{}).
template <class Use>
void with_function(Activation activation, const Use& use) {
  switch (activation) {
    case Activation::gelu:
      return use(Gelu{});
    case Activation::gelu_tanh:
      return use(GeluTanh{});
    default:
      core::require(activation == Activation::tanh, "an activation is gelu, gelu_tanh or tanh");
      return use(Tanh{});
  }
}

}  // namespace

void activate(const ActivateArgs& args, const Context& context) {
  with_activation(args.x.dtype(), [&](auto t) {
    with_function(args.activation, [&](auto function) {
      using T = decltype(t);
      const Activate<decltype(function), T> job{args.x.as<T>(), args.y.as<T>()};
      for_eights(job, args.x.size(), are_aligned(job.x, job.y), context.stream);
    });
  });
}

void activate_grad(const ActivateGradArgs& args, const Context& context) {
  with_activation(args.x.dtype(), [&](auto t) {
    with_function(args.activation, [&](auto function) {
      using T = decltype(t);
      const ActivateGrad<decltype(function), T> job{args.x.as<T>(), args.dy.as<T>(),
                                                    args.dx.as<T>()};
      for_eights(job, args.x.size(), are_aligned(job.x, job.dy, job.dx), context.stream);
    });
  });
}

}  // namespace epi::kernels::cuda
