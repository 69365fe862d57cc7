#include "train/weights.hpp"

namespace epi::train {

Weights::Weights(std::int64_t elements, core::DType activations, kernels::Ops& ops)
    : ops_(ops), exact_(core::DType::f32, {elements}, ops.device()) {
  const core::DType type = ops.weights_type(activations);
  if (type != core::DType::f32) copy_ = core::Tensor(type, {elements}, ops.device());
}

model::ParameterBlocks Weights::blocks() const {
  if (!copy_.view()) return exact_.view();
  return {exact_.view(), copy_.view()};
}

void Weights::refresh(core::Stream& stream) const {
  if (copy_.view()) ops_.convert({.in = exact_, .out = copy_}, stream);
}

void Weights::load(const core::ConstView& host, core::Stream& stream) const {
  core::copy(exact_, host, stream);
  refresh(stream);
  stream.synchronize();
}

}  // namespace epi::train
