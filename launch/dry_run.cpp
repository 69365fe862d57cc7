#include "dry_run.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "train/run_data.hpp"
#include "train/training_step.hpp"

namespace epi::launch {
namespace {

std::int64_t bases_of(const data::Manifest& manifest) {
  std::int64_t bases = 0;
  for (const data::Contig& contig : manifest.contigs) bases += contig.acgt_bp;
  return bases;
}

double mib(double bytes) {
  return bytes / (1024.0 * 1024.0);
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

}  // namespace

std::vector<std::string> plan_of(const train::RunConfig& config, int threads,
                                 dist::Communicator& world) {
  train::check_ranks(config, world.size());
  const train::RunData run = train::open_run_data(config, world);
  const data::Manifest& manifest = run.store.manifest();

  model::ModelConfig model = config.model;
  model.num_states = run.corpus.num_states;
  model.check();
  const std::unique_ptr<kernels::Ops> ops = kernels::make_cpu_ops(threads);
  core::Stream stream(ops->device());
  const train::TrainingStep step({config, model, run.corpus, *run.order, *ops, world, stream});

  const std::int64_t samples = run.order->epoch_size();
  return {store_line(config.store, manifest),
          windows_line(config, run),
          fmt::format("epoch: {} samples, {} tokens", samples, samples * config.tokens.length),
          model_line(model, step.table().num_parameters()),
          steps_line(config, samples, world.size()),
          fmt::format("memory: {:.1f} MiB per rank, and the store's pages once per node",
                      mib(static_cast<double>(step.bytes()))),
          fmt::format("kernels: {}; ranks: {}", ops->description(), world.description())};
}

}  // namespace epi::launch
