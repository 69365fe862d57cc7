// The plan is the model's own, laid out by ops that compute nothing (PlannedOps).
#include "train/device_memory.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "train/gradient_tree.hpp"
#include "train/planned_ops.hpp"
#include "train/sharded_parameters.hpp"

namespace epi::train {
namespace {

/// What an allocator loses of tensors: left free.
constexpr double kSpare = 1.05;
/// What ops and models take that no plan knows beforehand: the workspace of products, scratch, the
/// rest of the last buffer of activations.
constexpr std::size_t kUncounted = std::size_t{192} << 20U;

double gib(std::size_t bytes) {
  return static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0);
}

/// What may be changed about a run that does not fit.
struct Remedy {
  std::int64_t micro_batch = 1;
  model::Recompute recompute = model::Recompute::none;
  bool shard = false;
};

/// The plan under other settings.
DeviceMemory plan_with(const DeviceLoad& load, const Remedy& remedy) {
  RunConfig config = load.config;
  config.train.micro_batch = remedy.micro_batch;
  config.train.recompute = remedy.recompute;
  config.train.shard_optimizer = remedy.shard;
  return plan_device(
      {config, load.model, load.bin_bp, load.corpus_bytes, load.ops, load.ranks, load.activations});
}

/// Remedies in the order of what they cost: sharing moments hardly any time, recomputing a third of
/// the step, smaller micro-batches another run. The first is the run as it is.
std::vector<Remedy> remedies(const DeviceLoad& load) {
  const RunConfig& config = load.config;
  const TrainConfig& train = config.train;
  const bool may_shard =
      load.ranks > 1 && !train.reproducible && config.optimizer.kind != kernels::Optimizer::lamb;
  std::vector<Remedy> all;
  for (std::int64_t batch = train.micro_batch; batch >= 1; batch /= 2) {
    if (train.global_batch % batch != 0 || train.global_batch / batch % load.ranks != 0) continue;
    for (const auto recompute : {model::Recompute::none, model::Recompute::layer}) {
      if (recompute < train.recompute) continue;
      all.push_back({batch, recompute, train.shard_optimizer});
      if (may_shard && !train.shard_optimizer) all.push_back({batch, recompute, true});
    }
  }
  return all;
}

/// "train.recompute = "layer" with train.micro_batch = 4"; "" for the run as it is.
std::string text_of(const Remedy& remedy, const TrainConfig& train) {
  std::vector<std::string> settings;
  if (remedy.shard != train.shard_optimizer) {
    settings.emplace_back("train.shard_optimizer = true");
  }
  if (remedy.recompute != train.recompute) settings.emplace_back("train.recompute = \"layer\"");
  if (remedy.micro_batch != train.micro_batch) {
    settings.push_back(fmt::format("train.micro_batch = {}", remedy.micro_batch));
  }
  return fmt::format("{}", fmt::join(settings, " with "));
}

/// Settings that need no more than `free_bytes`, the gentlest first; "" when none is small enough.
std::string what_fits(const DeviceLoad& load, std::size_t free_bytes) {
  const TrainConfig& train = load.config.train;
  for (const Remedy& remedy : remedies(load)) {
    const DeviceMemory memory = plan_with(load, remedy);
    const double lost = (kSpare - 1.0) * static_cast<double>(memory.tensors.total());
    const double needed = static_cast<double>(memory.total()) + lost;
    const std::string text = text_of(remedy, train);
    // As it is: only what nobody counted is missing.
    if (needed > static_cast<double>(free_bytes) || text.empty()) continue;
    return fmt::format("{} would take {:.2f} GiB{}", text, gib(memory.total()),
                       remedy.micro_batch == train.micro_batch
                           ? ""
                           : " (micro-batches are part of the mathematics)");
  }
  return "";
}

}  // namespace

DeviceMemory plan_device(const DeviceLoad& load) {
  PlannedOps ops(load.ops);
  const RunConfig& config = load.config;
  const model::BatchShape shape = batch_shape(config, load.bin_bp);
  const model::MaskedModel model(load.model, shape, ops,
                                 {load.activations, config.train.recompute});
  const auto elements =
      static_cast<std::size_t>(block_room(model.table().block_size(), config.train, load.ranks));
  const std::size_t block = elements * sizeof(float);
  const std::int64_t local = config.train.micro_batches() / load.ranks;
  const core::DType weights = ops.weights_type(load.activations);
  DeviceMemory memory;
  memory.tensors.parameters = block;
  memory.tensors.weights = weights == core::DType::f32 ? 0 : elements * core::size_of(weights);
  memory.tensors.gradients = GradientTree::blocks(local) * block;
  if (load.ranks > 1 && config.train.exchange_precision == core::DType::bf16) {
    memory.tensors.gradients += block / 2;
  }
  memory.tensors.moments = 2 * block;
  if (shards(config.train, load.ranks)) {
    memory.tensors.moments /= static_cast<std::size_t>(load.ranks);
  }
  memory.tensors.activations = model.activation_bytes();
  memory.tensors.batches =
      static_cast<std::size_t>(local) * model::Batch(shape, core::kCpu).bytes();
  memory.corpus = load.corpus_bytes;
  memory.scratch = std::max(kUncounted, load.ops.scratch_bytes());
  return memory;
}

std::string describe_parts(const DeviceMemory& memory) {
  const StepMemory& t = memory.tensors;
  return fmt::format(
      "parameters {:.2f}, their bf16 copy {:.2f}, gradients {:.2f}, moments {:.2f}, activations "
      "{:.2f}, batches {:.2f}, corpus {:.2f}, scratch {:.2f}",
      gib(t.parameters), gib(t.weights), gib(t.gradients), gib(t.moments), gib(t.activations),
      gib(t.batches), gib(memory.corpus), gib(memory.scratch));
}

std::string describe_shortage(const std::string& failure, const DeviceLoad& load,
                              std::size_t free_bytes) {
  const DeviceMemory memory = plan_device(load);
  const std::string fit = what_fits(load, free_bytes);
  return fmt::format(
      "{}. This run needs {:.2f} GiB of it ({}) and {:.2f} GiB are free. {}", failure,
      gib(memory.total()), describe_parts(memory), gib(free_bytes),
      fit.empty() ? "No setting of train.recompute or train.micro_batch makes it fit: take a "
                    "smaller model or a GPU with more memory"
                  : fit);
}

void explain_shortage(core::Device device, const std::function<void()>& work,
                      const std::function<DeviceLoad()>& give_up) {
  if (device == core::kCpu) return work();
  try {
    work();
  } catch (const core::DeviceError& error) {
    const std::string failure = error.what();
    if (failure.find("out of memory") == std::string::npos) throw;
    const DeviceLoad load = give_up();
    throw core::DeviceError(describe_shortage(failure, load, core::cuda_free_bytes(device.index)));
  }
}

}  // namespace epi::train
