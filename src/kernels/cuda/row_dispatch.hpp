// From what is known when a kernel is queued to what it is compiled for.
#pragma once

#include <type_traits>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "core/view.hpp"

namespace epi::kernels::cuda {

template <int kNumber>
using Constant = std::integral_constant<int, kNumber>;

/// use(T{}) with T the element type of activations: f32 or bf16.
template <class Use>
void with_activation(core::DType type, const Use& use) {
  core::require(type == core::DType::f32 || type == core::DType::bf16,
                "activations are f32 or bf16");
  if (type == core::DType::f32) {
    use(float{});
  } else {
    use(core::BFloat16{});
  }
}

/// use(std::true_type) or use(std::false_type).
template <class Use>
void with_flag(bool flag, const Use& use) {
  if (flag) {
    use(std::true_type{});
  } else {
    use(std::false_type{});
  }
}

/// use(Constant<count>) for 1 to 4.
template <class Use>
void with_count(int count, const Use& use) {
  switch (count) {
    case 1:
      return use(Constant<1>{});
    case 2:
      return use(Constant<2>{});
    case 3:
      return use(Constant<3>{});
    default:
      core::require(count == 4, "kernels are compiled for 1 to 4");
      return use(Constant<4>{});
  }
}

/// Elements of a view, or null if it is absent.
template <class T, class AnyView>
[[nodiscard]] auto elements(const AnyView& view) {
  using Pointer = decltype(view.template as<T>());
  return view ? view.template as<T>() : Pointer{nullptr};
}

}  // namespace epi::kernels::cuda
