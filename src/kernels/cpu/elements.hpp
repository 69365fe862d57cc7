// Elements of views as the loops take them, and one body of code for both types of activations.
#pragma once

#include <type_traits>

#include "core/bf16.hpp"
#include "core/view.hpp"
#include "kernels/cpu/bf16_element.hpp"

namespace epi::kernels::cpu {

/// The DType of float or Bf16.
template <class T>
[[nodiscard]] constexpr core::DType type_of() {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, Bf16>);
  return std::is_same_v<T, Bf16> ? core::DType::bf16 : core::DType::f32;
}

/// The elements of a view of float or bf16; null for the absent view.
template <class T, class AnyView>
[[nodiscard]] auto* elements(const AnyView& view) {
  static_assert(sizeof(Bf16) == sizeof(core::BFloat16));
  if constexpr (std::is_same_v<T, Bf16>) {
    using Raw = decltype(view.template as<core::BFloat16>());
    using Element =
        std::conditional_t<std::is_const_v<std::remove_pointer_t<Raw>>, const Bf16, Bf16>;
    return view ? reinterpret_cast<Element*>(view.template as<core::BFloat16>()) : nullptr;
  } else {
    return view ? view.template as<T>() : nullptr;
  }
}

/// Calls body(T{}) with T = float or Bf16, the element type of a call's activations.
template <class Body>
void with_element(core::DType type, const Body& body) {
  if (type == core::DType::bf16) return body(Bf16{});
  body(float{});
}

}  // namespace epi::kernels::cpu
