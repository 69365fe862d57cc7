#include "train/weights.hpp"

#include <utility>

namespace epi::train {

Weights::Weights(std::int64_t elements, std::int64_t room, core::DType activations,
                 kernels::Ops& ops)
    : ops_(ops), elements_(elements), exact_(core::DType::f32, {room}, ops.device()) {
  const core::DType type = ops.weights_type(activations);
  if (type != core::DType::f32) copy_ = core::Tensor(type, {room}, ops.device());
}

core::View Weights::copy() const {
  return copy_.view() ? copy_.view().slice(0, elements_) : core::View();
}

model::ParameterBlocks Weights::blocks() const {
  if (!copy_.view()) return exact();
  return {exact(), copy()};
}

void Weights::refresh(dist::Stretch stretch, core::Stream& stream) const {
  if (!copy_.view()) return;
  ops_.convert({.in = stretch.of(exact_), .out = stretch.of(copy_)}, stream);
}

void Weights::lie_in(core::Tensor exact, core::Stream& stream) {
  core::copy(exact, exact_, stream);
  stream.synchronize();
  exact_ = std::move(exact);
}

void Weights::load(const core::ConstView& host, core::Stream& stream) const {
  core::copy(exact(), host, stream);
  refresh(stream);
  stream.synchronize();
}

}  // namespace epi::train
