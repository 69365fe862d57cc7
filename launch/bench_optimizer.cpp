// The passes of the optimizer over the flat parameter block: the norm, then AdamW or LAMB with
// clipping.
// Bound by memory alone: at base size the four f32 blocks are 1.4 GB, far beyond any cache.
#include <CLI/CLI.hpp>
#include <memory>

#include "bench_machine.hpp"
#include "benches.hpp"
#include "exit_codes.hpp"
#include "model/masked_model.hpp"

namespace epi::launch {
namespace {

using core::Tensor;
using kernels::Ops;

struct OptimizerOptions {
  MachineOptions machine;
  std::string model = "base";
};

/// The slices of a real model: matrices decay, biases and LayerNorm do not.
model::ParameterTable table_of(const std::string& name, kernels::Ops& ops) {
  model::ModelConfig config = model::preset(name);
  config.num_states = 25;
  const model::BatchShape least{.batch = 1, .tokens = 8, .dna_slots = 1, .state_slots = 1};
  return model::MaskedModel(config, least, ops).table();
}

int bench_optimizer(const OptimizerOptions& options) {
  Machine machine(options.machine);
  BenchReport report = machine.report("optimizer");
  const model::ParameterTable table = table_of(options.model, machine.ops());
  const std::int64_t size = table.block_size();
  report.fact("model", options.model);
  report.fact("parameters", table.num_parameters());
  const Tensor parameters = machine.numbers({size}, 0.02F),
               gradients = machine.numbers({size}, 1e-3F);
  const Tensor moment1 = machine.room(core::DType::f32, {size});
  const Tensor moment2 = machine.room(core::DType::f32, {size});
  // The rounded copy that products read, on devices that do not round on their way.
  const bool copies = machine.ops().weights_type(core::DType::bf16) == core::DType::bf16;
  const Tensor weights = copies ? machine.room(core::DType::bf16, {size}) : Tensor();
  const std::vector<kernels::ParameterSlice> slices = table.slices();
  const DeviceState state({.learning_rate = 1e-4F, .max_gradient_norm = 1.0F}, machine.stream());
  const kernels::SumSquaresArgs norm{gradients, state.sum_squares()};
  report.add(machine.time("gradient norm", norm, &Ops::sum_squares), machine.roofs());
  kernels::UpdateArgs update{.slices = slices,
                             .parameters = parameters,
                             .gradients = gradients,
                             .moment1 = moment1,
                             .moment2 = moment2,
                             .weights = weights,
                             .state = state.get()};
  report.add(machine.time("clip and AdamW", update, &Ops::update), machine.roofs());
  update.optimizer = kernels::Optimizer::lamb;
  report.add(machine.time("clip and LAMB", update, &Ops::update), machine.roofs());
  report.print(machine.roofs(), options.machine.json);
  return kDone;
}

}  // namespace

void add_bench_optimizer(CLI::App& verb, Verb& chosen) {
  CLI::App* optimizer = verb.add_subcommand("optimizer", "Time the gradient norm, AdamW and LAMB");
  auto options = std::make_shared<OptimizerOptions>();
  optimizer->add_option("--model", options->model, "tiny, small, base or large")
      ->capture_default_str();
  add_machine_options(*optimizer, options->machine);
  optimizer->callback(
      [options, &chosen] { chosen = [options](Session&) { return bench_optimizer(*options); }; });
}

}  // namespace epi::launch
