// Parameters as a model reads them: the exact f32 block and, on devices whose products take bf16
// from memory, a rounded copy of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "model/pass.hpp"

namespace epi::train {

class Weights {
 public:
  /// `elements` zeros on the device of `ops`, for a model with activations of this type. `ops` must
  /// outlive it. DeviceError without memory.
  Weights(std::int64_t elements, core::DType activations, kernels::Ops& ops);

  /// f32 [elements]. Who writes it calls `refresh` next; Ops::update writes both.
  [[nodiscard]] const core::View& exact() const { return exact_.view(); }
  /// bf16 [elements], or absent where products read the exact block.
  [[nodiscard]] const core::View& copy() const { return copy_.view(); }
  /// For forward and backward.
  [[nodiscard]] model::ParameterBlocks blocks() const;
  /// Queues the rounding of the whole block.
  void refresh(core::Stream& stream) const;
  /// Fills the exact block from host memory, and refreshes. Complete on return.
  void load(const core::ConstView& host, core::Stream& stream) const;

 private:
  kernels::Ops& ops_;
  core::Tensor exact_, copy_;
};

}  // namespace epi::train
