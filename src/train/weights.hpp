// Parameters as a model reads them: the exact f32 block and, on devices whose products take bf16
// from memory, a rounded copy of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/buffer.hpp"
#include "dist/stretch.hpp"
#include "kernels/ops.hpp"
#include "model/pass.hpp"

namespace epi::train {

class Weights {
 public:
  /// `elements` zeros on the device of `ops`, for a model with activations of this type. `ops` must
  /// outlive it. DeviceError without memory.
  Weights(std::int64_t elements, core::DType activations, kernels::Ops& ops)
      : Weights(elements, elements, activations, ops) {}
  /// In memory for `room` >= elements of them.
  Weights(std::int64_t elements, std::int64_t room, core::DType activations, kernels::Ops& ops);

  /// f32 [elements]. Who writes it calls `refresh` next; Ops::update writes both.
  [[nodiscard]] core::View exact() const { return exact_.view().slice(0, elements_); }
  /// bf16 [elements], or absent where products read the exact block.
  [[nodiscard]] core::View copy() const;
  /// f32 [room]: the exact block and the zeros behind it; bf16 [room] likewise, or absent.
  [[nodiscard]] const core::View& room() const { return exact_.view(); }
  [[nodiscard]] const core::View& copy_room() const { return copy_.view(); }
  /// Of all memory.
  [[nodiscard]] std::size_t exact_bytes() const { return exact_.view().bytes(); }
  [[nodiscard]] std::size_t copy_bytes() const { return copy_.view().bytes(); }
  /// For forward and backward.
  [[nodiscard]] model::ParameterBlocks blocks() const;
  /// Moves the exact block into other memory of its device and size. Complete on return.
  void lie_in(core::Tensor exact, core::Stream& stream);
  /// Queues the rounding of the whole block, or of some of its room.
  void refresh(core::Stream& stream) const { refresh({0, room().size()}, stream); }
  void refresh(dist::Stretch stretch, core::Stream& stream) const;
  /// Fills the exact block from host memory, and refreshes. Complete on return.
  void load(const core::ConstView& host, core::Stream& stream) const;

 private:
  kernels::Ops& ops_;
  std::int64_t elements_;
  core::Tensor exact_, copy_;
};

}  // namespace epi::train
