// Tensors of f32 or bf16 that tests fill and read element by element.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "core/philox.hpp"

namespace epi::kernels {

/// Element `i`, f32 or bf16.
inline float number_at(const core::ConstView& view, std::int64_t i) {
  if (view.dtype() == core::DType::bf16) return core::to_float(view.as<core::BFloat16>()[i]);
  return view.as<float>()[i];
}

/// Sets element `i`, rounded to the type of the view.
inline void set_number(const core::View& view, std::int64_t i, float value) {
  if (view.dtype() == core::DType::bf16) {
    view.as<core::BFloat16>()[i] = core::to_bf16(value);
  } else {
    view.as<float>()[i] = value;
  }
}

/// Uniform in [-1, 1), rounded to `type`; other numbers for each `salt`.
inline core::Tensor random_tensor(core::DType type, std::initializer_list<std::int64_t> shape,
                                  std::uint32_t salt) {
  core::Tensor tensor(type, shape);
  for (std::int64_t i = 0; i < tensor.view().size(); ++i) {
    const auto block =
        core::philox(2, core::RandomUse::test, {static_cast<std::uint32_t>(i), salt, 0, 0});
    set_number(tensor, i, 2.0F * core::uniform_float(block[0]) - 1.0F);
  }
  return tensor;
}

}  // namespace epi::kernels
