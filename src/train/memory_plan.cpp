#include "train/memory_plan.hpp"

#include <unistd.h>

#include <array>
#include <fstream>

namespace epi::train {
namespace {

/// Of this process now; 0 where the system does not tell.
std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  in >> size >> resident;
  return in ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

/// One micro-batch of [PAD] without targets through one layer, so that the back end compiles its
/// products and takes its scratch. Its tensors are gone when this returns.
void warm_up(const StepSetup& setup) {
  model::ModelConfig config = setup.model;
  config.layers = 1;
  const model::BatchShape shape = batch_shape(setup.config, setup.corpus.bin_bp);
  model::MaskedModel model(config, shape, setup.ops, setup.execution);
  const model::Batch batch(shape, setup.ops.device());
  const std::int64_t size = model.table().block_size();
  const core::Tensor parameters(core::DType::f32, {size}, setup.ops.device());
  const core::Tensor gradients(core::DType::f32, {size}, setup.ops.device());
  const kernels::StepState state;
  std::array<double, 6> totals{};
  model::LossOutputs losses;
  if (shape.dna_slots > 0) losses.dna_totals = core::View(totals.data(), {3});
  if (shape.state_slots > 0) losses.state_totals = core::View(totals.data() + 3, {3});
  model.forward(batch, parameters, &state, /*training=*/true, losses, {}, setup.stream);
  model.backward(batch, parameters, &state, gradients, {}, setup.stream);
  setup.stream.synchronize();
}

}  // namespace

MemoryPlan plan_memory(const StepSetup& setup, std::size_t store_bytes) {
  warm_up(setup);
  MemoryPlan plan;
  plan.scratch = setup.ops.scratch_bytes();
  plan.store = store_bytes;
  const std::size_t known = plan.scratch + plan.store;
  const std::size_t resident = resident_bytes();
  plan.program = resident > known ? resident - known : 0;
  const TrainingStep step(setup);
  plan.tensors = step.memory();
  const auto mates = static_cast<std::size_t>(setup.world.node_size());
  plan.peers = plan.tensors.parameters / mates * (mates - 1);  // one block is as long as another
  plan.num_parameters = step.table().num_parameters();
  return plan;
}

}  // namespace epi::train
