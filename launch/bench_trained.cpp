// Whole steps by train's own TrainingStep, so that what is timed is what runs do.
#include "bench_trained.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include "bench_corpus.hpp"
#include "bench_machine.hpp"
#include "dist/communicator.hpp"
#include "kernels/ops.hpp"
#include "train/training_step.hpp"

namespace epi::launch {
namespace {

constexpr std::int64_t kCorpusBatches = 16;  // so that windows do not come from a cache

train::RunConfig config_of(const BenchOptions& options) {
  train::RunConfig config;
  config.tokens = {6, 6, options.tokens};
  config.model = bench_model(options, config.tokens);
  config.train.global_batch = options.batch * options.micro_batches;
  config.train.micro_batch = options.batch;
  config.train.steps = options.warmup + options.steps + 1;
  config.train.recompute = options.recompute;
  config.schedule.steps = config.train.steps;
  return config;
}

/// The device's memory that is taken, in 2^20 bytes; 0 on the CPU.
double device_memory_mib(core::Device device) {
  if (device == core::kCpu) return 0.0;
  const std::size_t all = core::cuda_properties(device.index).memory_bytes;
  return std::ldexp(static_cast<double>(all - core::cuda_free_bytes(device.index)), -20);
}

/// What outlives the steps.
class Trained {
 public:
  explicit Trained(const BenchOptions& options)
      : options_(options),
        config_(config_of(options)),
        ops_(make_ops(options.device, options.threads,
                      options.reproducible ? Algorithms::first : Algorithms::timed)),
        precision_(precision_of(options.precision, *ops_)),
        stream_(ops_->device()),
        host_(config_.tokens.window_bp() * options.batch * kCorpusBatches),
        corpus_(host_.view(), ops_->device()),
        samples_(options.batch * kCorpusBatches, config_.tokens.window_bp()) {}

  [[nodiscard]] train::TrainingStep step() {
    return train::TrainingStep(
        {config_,
         config_.model,
         corpus_,
         samples_,
         *ops_,
         *world_,
         stream_,
         {.activations = precision_.activations, .recompute = options_.recompute}});
  }

  /// Seconds of the timed steps, in their order, and what the last one says.
  void time(BenchResult& result) {
    train::TrainingStep steps = step();
    const auto keep = [&](const std::optional<train::StepReport>& report) {
      if (!report || report->step <= options_.warmup) return;
      seconds_.push_back(report->seconds);
      result.loss = report->dna.loss() + report->state.loss();
    };
    for (std::int64_t i = 0; i < options_.warmup + options_.steps; ++i) keep(steps.run(false));
    keep(steps.drain());
    result.parameters = steps.table().num_parameters();
    result.activation_mib = std::ldexp(static_cast<double>(steps.memory().activations), -20);
    result.device_memory_mib = device_memory_mib(ops_->device());
    flops_ = model::flops_per_token(config_.model, steps.model().shape());
  }

  /// Ops of the first step of another run, which is never recorded: what has to be chosen or
  /// allocated was in `time`.
  [[nodiscard]] PhaseProfile profile() {
    train::TrainingStep steps = step();
    PhaseProfile phase{.name = "step", .seconds = 0.0, .ops = {}};
    ops_->watch(&phase.ops);
    std::optional<train::StepReport> report = steps.run(false);
    if (!report) report = steps.drain();
    ops_->watch(nullptr);
    phase.seconds = report->seconds;
    return phase;
  }

  void judge(BenchResult& result) {
    std::sort(seconds_.begin(), seconds_.end());
    result.kernels = ops_->description();
    result.precision = precision_.name;
    result.threads = threads_of(*ops_);
    result.step_s = seconds_[seconds_.size() / 2];
    result.best_s = seconds_.front();
    result.tokens_per_s =
        static_cast<double>(config_.train.global_batch * options_.tokens) / result.step_s;
    result.gflop_per_s = 1e-9 * result.tokens_per_s * flops_;
    roofs_.emplace(make_roofs(*ops_, stream_));
    result.peak_gflop_per_s = 1e-9 * roofs_->peak(precision_.activations);
    result.nominal_gflop_per_s = 1e-9 * roofs_->nominal_peak(precision_.activations);
  }

  [[nodiscard]] const train::PrecisionChoice& precision() const { return precision_; }
  /// They measure with the ops and the stream of this object.
  [[nodiscard]] Roofs& roofs() { return *roofs_; }

 private:
  BenchOptions options_;
  train::RunConfig config_;
  std::unique_ptr<dist::Communicator> world_ = dist::make_solo();
  std::unique_ptr<kernels::Ops> ops_;
  train::PrecisionChoice precision_;
  core::Stream stream_;
  SyntheticCorpus host_;
  train::DeviceCorpus corpus_;
  SyntheticSamples samples_;
  std::optional<Roofs> roofs_;
  std::vector<double> seconds_;
  double flops_ = 0.0;
};

}  // namespace

BenchResult bench_trained(const BenchOptions& options, const core::Log& log) {
  const auto trained = std::make_shared<Trained>(options);
  log.info("{}", trained->precision().line);
  log.info("synthetic windows, {}; {} steps to warm up, {} timed", options.model, options.warmup,
           options.steps);
  BenchResult result;
  trained->time(result);
  result.peak_memory_mib = peak_memory_mib();  // before memory's roofs take some
  trained->judge(result);
  result.phases.push_back({.name = "step", .seconds = result.step_s, .ops = {}});
  if (options.profile) result.phases.back() = trained->profile();
  result.roofs = std::shared_ptr<Roofs>(trained, &trained->roofs());
  return result;
}

}  // namespace epi::launch
