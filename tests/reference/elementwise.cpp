// Activations, sums, conversions and the sum of squares, in double.
#include <cmath>
#include <numbers>

#include "core/bf16.hpp"
#include "reference/expect_close.hpp"
#include "reference/reference.hpp"

namespace epi::reference {
namespace {

using kernels::Activation;

// Hendrycks & Gimpel, arXiv 1606.08415, section 2.
constexpr double kCubic = 0.044715;
const double kSqrt2OverPi = std::sqrt(2.0 / std::numbers::pi);

double gelu_tanh_inner(double x) {
  return kSqrt2OverPi * (x + kCubic * x * x * x);
}

}  // namespace

double round_to_bf16(double value) {
  if (value == 0.0 || !std::isfinite(value)) return value;
  constexpr int kSmallestNormal = -126;
  const int exponent = std::max(std::ilogb(value), kSmallestNormal);
  const double unit = std::ldexp(1.0, exponent - 7);
  return std::nearbyint(value / unit) * unit;
}

double activation(Activation kind, double x) {
  switch (kind) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case Activation::gelu_tanh:
      return 0.5 * x * (1.0 + std::tanh(gelu_tanh_inner(x)));
    case Activation::tanh:
      return std::tanh(x);
  }
  return 0.0;
}

double activation_slope(Activation kind, double x) {
  switch (kind) {
    case Activation::none:
      return 1.0;
    case Activation::gelu:
      return 0.5 * std::erfc(-x / std::numbers::sqrt2) +
             x * std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
    case Activation::gelu_tanh: {
      const double t = std::tanh(gelu_tanh_inner(x));
      return 0.5 * (1.0 + t) +
             0.5 * x * (1.0 - t * t) * kSqrt2OverPi * (1.0 + 3.0 * kCubic * x * x);
    }
    case Activation::tanh:
      return 1.0 - std::tanh(x) * std::tanh(x);
  }
  return 0.0;
}

void activate(const kernels::ActivateArgs& args) {
  for (std::int64_t i = 0; i < args.x.size(); ++i) {
    args.y.as<double>()[i] = activation(args.activation, args.x.as<double>()[i]);
  }
}

void activate_grad(const kernels::ActivateGradArgs& args) {
  for (std::int64_t i = 0; i < args.x.size(); ++i) {
    args.dx.as<double>()[i] =
        args.dy.as<double>()[i] * activation_slope(args.activation, args.x.as<double>()[i]);
  }
}

void combine(const kernels::CombineArgs& args) {
  for (std::int64_t i = 0; i < args.a.size(); ++i) {
    args.out.as<double>()[i] = args.a.as<double>()[i] + args.b.as<double>()[i];
  }
}

void convert(const kernels::ConvertArgs& args) {
  const std::vector<double> values = as_doubles(args.in);
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (args.out.dtype()) {
      case core::DType::bf16: {
        const auto exact = static_cast<float>(round_to_bf16(values[i]));
        args.out.as<core::BFloat16>()[i] = core::to_bf16(exact);
        break;
      }
      case core::DType::f32:
        args.out.as<float>()[i] = static_cast<float>(values[i]);
        break;
      default:
        args.out.as<double>()[i] = values[i];
    }
  }
}

void sum_squares(const kernels::SumSquaresArgs& args) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < args.in.size(); ++i) {
    sum += args.in.as<double>()[i] * args.in.as<double>()[i];
  }
  args.out.as<double>()[0] = sum;
}

}  // namespace epi::reference
