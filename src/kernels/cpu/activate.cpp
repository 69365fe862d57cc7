// Activations that no GEMM epilogue covers, and their gradients.
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elementwise_loops.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kElementsOfTask = 32 * 1024;

ElementwiseLoops::Unary function_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return elementwise_loops().gelu;
    case Activation::gelu_tanh:
      return elementwise_loops().gelu_tanh;
    default:
      return elementwise_loops().tanh;
  }
}

ElementwiseLoops::Gradient gradient_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return elementwise_loops().gelu_grad;
    case Activation::gelu_tanh:
      return elementwise_loops().gelu_tanh_grad;
    default:
      return elementwise_loops().tanh_grad;
  }
}

}  // namespace

void activate(const ActivateArgs& args, Pool& pool) {
  const auto apply = function_of(args.activation);
  for_pieces(pool, {args.x.size(), kElementsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    apply(args.x.as<float>() + begin, args.y.as<float>() + begin, end - begin);
  });
}

void activate_grad(const ActivateGradArgs& args, Pool& pool) {
  const auto apply = gradient_of(args.activation);
  for_pieces(pool, {args.x.size(), kElementsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    apply(args.x.as<float>() + begin, args.dy.as<float>() + begin, args.dx.as<float>() + begin,
          end - begin);
  });
}

}  // namespace epi::kernels::cpu
