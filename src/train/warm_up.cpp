// Operands are zeros: what matters are shapes, and that every op of a step is called.
#include "train/warm_up.hpp"

#include "train/weights.hpp"

namespace epi::train {

void warm_up(const StepSetup& setup) {
  const core::Device device = setup.ops.device();
  model::ModelConfig config = setup.model;
  config.layers = 1;
  const model::BatchShape shape = batch_shape(setup.config, setup.corpus.view().bin_bp);
  model::MaskedModel model(config, shape, setup.ops, setup.execution);
  const model::Batch batch(shape, device);
  const std::int64_t size = model.table().block_size();
  const Weights weights(size, setup.execution.activations, setup.ops);
  const core::Tensor gradients(core::DType::f32, {size}, device);
  const core::Tensor totals(core::DType::f64, {6}, device);
  const core::Buffer zeros(device, sizeof(kernels::StepState));  // no seed, no slot, scales of 0
  const auto* const state = reinterpret_cast<const kernels::StepState*>(zeros.data());
  model::LossOutputs losses;
  if (shape.dna_slots > 0) losses.dna_totals = totals.view().slice(0, 3);
  if (shape.state_slots > 0) losses.state_totals = totals.view().slice(3, 3);
  model.forward(batch, weights.blocks(), state, /*training=*/true, losses, {}, setup.stream);
  model.backward(batch, weights.blocks(), state, gradients, {}, setup.stream);
  setup.stream.synchronize();
}

}  // namespace epi::train
