// Random operands of the benches, on any device. Never zeros or equal numbers: processors and GPUs
// multiply these faster than a model's numbers.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "core/buffer.hpp"
#include "kernels/step_state.hpp"

namespace epi::launch {

/// About normal numbers times `scale`, of type f32 or bf16, in memory of `stream`'s device;
/// `number` tells tensors apart. Waits for the copy.
[[nodiscard]] core::Tensor random_tensor(core::DType type,
                                         std::initializer_list<std::int64_t> shape,
                                         std::uint32_t number, float scale, core::Stream& stream);

/// `host` as it is, moved to `stream`'s device. Waits for the copy.
[[nodiscard]] core::Tensor moved(core::Tensor host, core::Stream& stream);

/// A step's state where ops of `stream`'s device read it.
class DeviceState {
 public:
  /// Copies `host`. Waits for the copy.
  DeviceState(kernels::StepState host, core::Stream& stream);
  /// On the device: not for the host to read through.
  [[nodiscard]] kernels::StepState* get() const;
  /// f64 [1]: StepState::gradient_sum_squares there.
  [[nodiscard]] core::View sum_squares() const;

 private:
  core::Tensor bytes_;
  core::Device device_;
};

}  // namespace epi::launch
