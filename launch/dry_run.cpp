#include "dry_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "train/device_memory.hpp"
#include "train/memory_plan.hpp"
#include "train/precision.hpp"
#include "train/rank_share.hpp"
#include "train/run_data.hpp"
#include "train/sharded_parameters.hpp"

namespace epi::launch {
namespace {

std::int64_t bases_of(const data::Manifest& manifest) {
  std::int64_t bases = 0;
  for (const data::Contig& contig : manifest.contigs) bases += contig.acgt_bp;
  return bases;
}

double mib(std::size_t bytes) {
  return static_cast<double>(bytes) / (1024.0 * 1024.0);
}

std::size_t bytes_of(const data::Manifest& manifest) {
  std::size_t bytes = 0;
  for (const data::Shard& shard : manifest.shards) bytes += static_cast<std::size_t>(shard.bytes);
  return bytes;
}

std::string store_line(const std::string& folder, const data::Manifest& manifest) {
  return fmt::format("store {}: {} contigs, {} bases, {} cell types, {} states, bins of {} bp",
                     folder, manifest.contigs.size(), bases_of(manifest), manifest.cells.size(),
                     manifest.states.size(), manifest.bin_bp);
}

std::string cells_text(const train::RunConfig& config, const data::Manifest& manifest) {
  const auto cells = static_cast<std::int64_t>(data::cells_of(manifest, data::Split::train).size());
  if (config.cells_per_window == 0) return fmt::format("{} cell types", cells);
  return fmt::format("{} of {} cell types", config.cells_per_window, cells);
}

std::string windows_line(const train::RunConfig& config, const train::RunData& run) {
  return fmt::format("windows of {} bases: {} for training x {}, {} for validation",
                     config.tokens.window_bp(), run.train_windows,
                     cells_text(config, run.store.manifest()), run.valid_windows);
}

std::string model_line(const model::ModelConfig& model, std::int64_t parameters) {
  return fmt::format("model: {} layers x {} hidden x {} heads, {} parameters", model.layers,
                     model.hidden, model.heads, parameters);
}

std::string steps_line(const train::RunConfig& config, std::int64_t samples_per_epoch, int ranks) {
  const double samples = static_cast<double>(config.train.steps * config.train.global_batch);
  return fmt::format(
      "run: {} steps of {} windows ({} micro-batches of {} over {} ranks) = {:.2f} epochs",
      config.train.steps, config.train.global_batch, config.train.micro_batches(),
      config.train.micro_batch, ranks, samples / static_cast<double>(samples_per_epoch));
}

std::string memory_line(const train::MemoryPlan& plan) {
  const std::string host = fmt::format(
      "{:.1f} MiB per rank, of which {:.1f} MiB are shared on each node and {:.1f} MiB "
      "are rank 0's alone",
      mib(plan.total()), mib(plan.store + plan.peers), mib(plan.snapshot));
  if (!plan.on_device) return "memory: " + host;
  return fmt::format("memory: {:.1f} MiB on each rank's GPU; of the host {}",
                     mib(plan.device_total()), host);
}

/// "activations (bf16, all kept)": what the two switches make of them.
std::string activations_text(const model::Execution& execution) {
  return fmt::format(
      "{}, {}", execution.activations == core::DType::bf16 ? "bf16" : "fp32",
      execution.recompute == model::Recompute::layer ? "layers recomputed" : "all kept");
}

std::string parts_line(const train::MemoryPlan& plan, const model::Execution& execution) {
  const train::StepMemory& t = plan.tensors;
  const std::string tensors = fmt::format(
      "parameters {:.1f}, gradients {:.1f}, moments {:.1f}, activations ({}) {:.1f}, scratch "
      "{:.1f}, batches {:.1f}",
      mib(t.parameters), mib(t.gradients), mib(t.moments), activations_text(execution),
      mib(t.activations), mib(plan.scratch), mib(t.batches));
  if (plan.on_device) {
    return fmt::format(
        "memory by part, MiB: GPU: {}, weights as bf16 {:.1f}, corpus {:.1f}; host: program "
        "{:.1f}, store {:.1f}, snapshot for checkpoints {:.1f}",
        tensors, mib(t.weights), mib(plan.corpus), mib(plan.program), mib(plan.store),
        mib(plan.snapshot));
  }
  return fmt::format(
      "memory by part, MiB: {}, program {:.1f}; of rank 0: snapshot for checkpoints {:.1f}; "
      "shared: store {:.1f}, gradients of other ranks {:.1f}",
      tensors, mib(plan.program), mib(plan.snapshot), mib(plan.store), mib(plan.peers));
}

}  // namespace

std::vector<std::string> plan_of(const train::RunConfig& written, int threads,
                                 const train::DeviceChoice& device, dist::Communicator& world) {
  train::RunConfig config;
  std::optional<train::RunData> run;
  std::unique_ptr<kernels::Ops> ops;
  dist::agree(world, [&] {
    config = train::shared_over(written, world.size());
    run.emplace(train::open_run_data(config, world));
    ops = train::make_ops(device.device, threads, config.train.reproducible);
  });
  const train::PrecisionChoice precision =
      train::choose_precision(config.train.precision, *ops, world);
  const model::Execution execution{precision.activations, config.train.recompute};
  train::MemoryPlan memory;
  model::ModelConfig model = config.model;
  dist::agree(world, [&] {
    model.num_states = run->corpus.num_states;
    model.check();
    const std::vector<std::int32_t> cells = train::cells_read(run->store.manifest());
    const auto measure = [&] {
      core::Stream stream(ops->device());
      const train::DeviceCorpus corpus(run->corpus, ops->device(), cells);
      memory =
          train::plan_memory({config, model, corpus, *run->order, *ops, world, stream, execution},
                             bytes_of(run->store.manifest()));
    };
    train::explain_shortage(ops->device(), measure, [&]() -> train::DeviceLoad {
      return {config,
              model,
              run->corpus.bin_bp,
              train::DeviceCorpus::bytes_of(run->corpus, cells),
              *ops,
              world.size(),
              execution.activations};
    });
  });
  const std::int64_t samples = run->order->epoch_size();
  std::vector<std::string> lines = {
      store_line(config.store, run->store.manifest()),
      windows_line(config, *run),
      fmt::format("epoch: {} samples, {} tokens", samples, samples * config.tokens.length),
      model_line(model, memory.num_parameters),
      steps_line(config, samples, world.size()),
      memory_line(memory),
      parts_line(memory, execution),
      "device: " + device.line,
      "precision: " + precision.line,
      fmt::format("kernels: {}; ranks: {}", ops->description(), world.description())};
  if (train::shards(config.train, world.size())) {
    lines.push_back(fmt::format(
        "optimizer: sharded, each rank keeps and updates 1/{} of the moments", world.size()));
  }
  return lines;
}

}  // namespace epi::launch
