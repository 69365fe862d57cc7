// Activations that no GEMM epilogue covers, and their gradients.
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/elementwise_loops.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kElementsOfTask = 16 * 1024;

template <class T>
const ActivationLoops<T>& loops() {
  if constexpr (std::is_same_v<T, float>) {
    return elementwise_loops().f32;
  } else {
    return elementwise_loops().bf16;
  }
}

template <class T>
typename ActivationLoops<T>::Unary function_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return loops<T>().gelu;
    case Activation::gelu_tanh:
      return loops<T>().gelu_tanh;
    default:
      return loops<T>().tanh;
  }
}

template <class T>
typename ActivationLoops<T>::Gradient gradient_of(Activation activation) {
  switch (activation) {
    case Activation::gelu:
      return loops<T>().gelu_grad;
    case Activation::gelu_tanh:
      return loops<T>().gelu_tanh_grad;
    default:
      return loops<T>().tanh_grad;
  }
}

template <class T>
void apply(const ActivateArgs& args, Pool& pool) {
  const auto function = function_of<T>(args.activation);
  for_pieces(pool, {args.x.size(), kElementsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    function(elements<T>(args.x) + begin, elements<T>(args.y) + begin, end - begin);
  });
}

template <class T>
void apply_gradient(const ActivateGradArgs& args, Pool& pool) {
  const auto gradient = gradient_of<T>(args.activation);
  for_pieces(pool, {args.x.size(), kElementsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    gradient(elements<T>(args.x) + begin, elements<T>(args.dy) + begin,
             elements<T>(args.dx) + begin, end - begin);
  });
}

}  // namespace

void activate(const ActivateArgs& args, Pool& pool) {
  with_element(args.x.dtype(), [&](auto t) { apply<decltype(t)>(args, pool); });
}

void activate_grad(const ActivateGradArgs& args, Pool& pool) {
  with_element(args.x.dtype(), [&](auto t) { apply_gradient<decltype(t)>(args, pool); });
}

}  // namespace epi::kernels::cpu
