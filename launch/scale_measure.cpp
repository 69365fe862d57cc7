// Steps of both sorts come in turns, so that a neighbour's noise falls on both alike: what the
// cost model predicts from the one is compared with the other.
#include "scale_measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "bench_corpus.hpp"
#include "core/error.hpp"
#include "core/version.hpp"
#include "train/device.hpp"
#include "train/precision.hpp"
#include "train/threads.hpp"
#include "train/training_step.hpp"

namespace epi::launch {
namespace {

using train::Part;
using train::ScalingKind;

constexpr std::int64_t kCorpusWindows = 64;  // before the first comes again

/// The lower quartile: what the rest of a machine does only ever adds to a time.
double quartile(std::vector<double> values) {
  std::ranges::sort(values);
  return values[(values.size() - 1) / 4];
}

/// Each value becomes the largest of all ranks.
void take_largest(dist::Communicator& world, std::vector<double>& values) {
  core::Stream stream(core::kCpu);
  const core::View view(values.data(), {static_cast<std::int64_t>(values.size())});
  world.start(dist::Reduce::max, view, core::Event()).wait(stream);
}

/// Seconds of timed steps, one entry each.
struct StepTimes {
  std::vector<double> step, input, exposed, exchange;
};

/// A training step over one world, and what it took so far.
class Steps {
 public:
  /// Takes one step, which allocates and chooses what later ones keep.
  explicit Steps(const train::StepSetup& setup) : setup_(setup), steps_(setup) {
    static_cast<void>(steps_.run(false));
    static_cast<void>(steps_.drain());
  }

  /// Timed steps; nothing is under way afterwards. On a device one more comes first: the others
  /// begin where the one before them ended.
  void round(std::int64_t count) {
    const bool ahead = setup_.ops.device() != core::kCpu;
    bool skip = ahead;
    for (std::int64_t i = 0; i < count + (ahead ? 1 : 0); ++i) {
      const train::Timings before = steps_.timings();
      const std::optional<train::StepReport> report = steps_.run(false);
      if (report && !skip) take(*report, before);
      if (report) skip = false;
    }
    const train::Timings before = steps_.timings();
    if (const auto report = steps_.drain()) take(*report, before);
  }

  [[nodiscard]] StepTimes& times() { return times_; }
  [[nodiscard]] std::int64_t buckets() const { return buckets_; }
  [[nodiscard]] train::TrainingStep& step() { return steps_; }

 private:
  void take(const train::StepReport& report, const train::Timings& before) {
    const auto passed = [&](Part part) {
      return steps_.timings().seconds(part) - before.seconds(part);
    };
    times_.step.push_back(report.seconds);
    if (setup_.ops.device() == core::kCpu) {
      times_.input.push_back(passed(Part::assemble));
      times_.exposed.push_back(passed(Part::exchange));
      times_.exchange.push_back(passed(Part::exchange));
    } else if (report.exchange) {  // devices tell of the last step of a round, and of no parts
      times_.input.push_back(0.0);
      times_.exposed.push_back(report.exchange->exposed_s);
      times_.exchange.push_back(report.exchange->exchange_s);
    }
    if (report.exchange) buckets_ = report.exchange->buckets;
  }

  train::StepSetup setup_;
  train::TrainingStep steps_;
  StepTimes times_;
  std::int64_t buckets_ = 0;
};

class Measurement {
 public:
  Measurement(const ScaleOptions& options, Session& session)
      : options_(options), session_(session), device_(connect()), world_(session.world()) {
    const int threads = train::threads_per_rank(options.threads, world_, session.log());
    dist::agree(world_, [&] { ops_ = train::make_ops(device_.device, threads); });
    const auto wish = options.precision == "fp32"   ? train::Precision::fp32
                      : options.precision == "bf16" ? train::Precision::bf16
                                                    : train::Precision::automatic;
    precision_ = train::choose_precision(wish, *ops_, world_);
    tokens_ = {6, 6, options.tokens};
    dist::agree(world_, [&] {
      stream_.emplace(ops_->device());
      host_.emplace(tokens_.window_bp() * kCorpusWindows);
      corpus_.emplace(host_->view(), ops_->device());
      samples_.emplace(kCorpusWindows, tokens_.window_bp());
    });
  }

  train::ScalingPoint point() {
    train::ScalingPoint point;
    point.ranks = world_.size();
    point.world = world_.description();
    std::vector<double> on_node{static_cast<double>(world_.node_size())};
    take_largest(world_, on_node);
    point.ranks_per_node = static_cast<int>(on_node[0]);
    for (const ScalingKind kind : options_.kinds) point.steps.push_back(steps_of(kind, point));
    if (world_.size() > 1) measure_sums(point);
    return point;
  }

 private:
  /// Which device each rank has; afterwards the session's world reaches its memory.
  train::DeviceChoice connect() {
    const train::DeviceWish wish = train::device_named(options_.device);
    train::DeviceChoice choice = train::choose_device(wish, session_.world());
    session_.log().info("{}", session_.use_transport(choice.device, dist::Transport::automatic));
    return choice;
  }

  train::RunConfig config_of(std::int64_t windows) const {
    train::RunConfig config;
    config.tokens = tokens_;
    config.model = model::preset(options_.model);
    config.model.vocabulary = tokens_.vocabulary();
    config.model.num_states = SyntheticCorpus::kStates;
    config.model.positions = std::max(config.model.positions, options_.tokens);
    config.train.global_batch = windows;
    config.train.micro_batch = options_.micro_batch;
    config.train.steps = 2 + options_.rounds * (options_.steps + 1);  // more than are taken
    config.schedule.steps = config.train.steps;
    return config;
  }

  train::StepSetup setup(const train::RunConfig& config, dist::Communicator& world) {
    return {config, config.model, *corpus_, *samples_,
            *ops_,  world,        *stream_, {.activations = precision_.activations}};
  }

  train::ScalingSteps steps_of(ScalingKind kind, train::ScalingPoint& point) {
    const std::int64_t windows = kind == ScalingKind::weak
                                     ? options_.windows_per_rank() * world_.size()
                                     : options_.strong_windows();
    const train::RunConfig whole = config_of(windows);
    const train::RunConfig share = config_of(windows / world_.size());
    const auto solo = dist::make_solo();
    Steps together(setup(whole, world_));
    Steps alone(setup(share, *solo));
    for (std::int64_t round = 0; round < options_.rounds; ++round) {
      together.round(options_.steps);
      world_.barrier();  // all compute at the same time, as they do together
      alone.round(options_.steps);
      world_.barrier();
    }
    describe(point, together);
    take_largest(world_, alone.times().step);
    const StepTimes& times = together.times();
    return train::with_compute({.kind = kind,
                                .windows = windows,
                                .step_s = quartile(times.step),
                                .alone_s = quartile(alone.times().step),
                                .input_s = quartile(times.input),
                                .exchange_s = quartile(times.exchange),
                                .exposed_s = quartile(times.exposed)});
  }

  void describe(train::ScalingPoint& point, Steps& steps) const {
    point.buckets = std::max(point.buckets, steps.buckets());
    point.setting = {
        .program = core::version_text(),
        .kernels = ops_->description(),
        .precision = precision_.name,
        .model = options_.model,
        .tokens = options_.tokens,
        .micro_batch = options_.micro_batch,
        .parameters = steps.step().table().num_parameters(),
        .flops_per_token =
            model::flops_per_token(steps.step().model().config(), steps.step().model().shape()),
        .gradient_bytes = sizeof(float) * static_cast<double>(steps.step().table().block_size()),
        .overlaps = ops_->device() != core::kCpu};
  }

  /// From 4 KiB in steps of eight to all gradients. Slices move through the block, as buckets do,
  /// so that no cache knows them.
  void measure_sums(train::ScalingPoint& point) {
    const auto whole = static_cast<std::int64_t>(point.setting.gradient_bytes) / 4;
    const core::Tensor block = world_.reducible(core::DType::f32, whole, ops_->device());
    core::fill_zero(block, *stream_);
    stream_->synchronize();
    for (std::int64_t count = 1024; count < whole; count *= 8) {
      point.sums.push_back(sample(block, count));
    }
    point.sums.push_back(sample(block, whole));
    for (dist::ExchangeSample& sum : point.sums) sum.ranks_per_node = point.ranks_per_node;
  }

  dist::ExchangeSample sample(const core::Tensor& block, std::int64_t count) {
    constexpr int kRepeats = 15;
    std::vector<double> seconds;
    std::int64_t at = 0;
    for (int i = 0; i < kRepeats; ++i, at += count) {
      if (at + count > block.view().size()) at = 0;
      world_.barrier();
      const auto start = std::chrono::steady_clock::now();
      world_.start(dist::Reduce::sum, block.view().slice(at, count), core::Event::record(*stream_))
          .wait(*stream_);
      stream_->synchronize();
      seconds.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    take_largest(world_, seconds);
    return {world_.size(), 1, 4.0 * static_cast<double>(count), quartile(seconds)};
  }

  ScaleOptions options_;
  Session& session_;
  train::DeviceChoice device_;
  dist::Communicator& world_;
  std::unique_ptr<kernels::Ops> ops_;
  train::PrecisionChoice precision_;
  kernels::TokenSpec tokens_;
  std::optional<core::Stream> stream_;
  std::optional<SyntheticCorpus> host_;
  std::optional<train::DeviceCorpus> corpus_;
  std::optional<SyntheticSamples> samples_;
};

}  // namespace

std::int64_t ScaleOptions::strong_windows() const {
  return global_batch > 0 ? global_batch : micro_batch * std::ranges::max(ranks);
}

void check_windows(const ScaleOptions& options, int ranks) {
  const auto check = [&](const char* option, std::int64_t windows, std::int64_t parts) {
    if (windows % (parts * options.micro_batch) == 0) return;
    throw core::UsageError(
        fmt::format("scale: {} {} is no whole number of micro-batches of {} for each of {} rank{}",
                    option, windows, options.micro_batch, parts, parts == 1 ? "" : "s"));
  };
  for (const ScalingKind kind : options.kinds) {
    if (kind == ScalingKind::weak) {
      check("--batch", options.windows_per_rank(), 1);
    } else {
      check("--global-batch", options.strong_windows(), ranks);
    }
  }
}

train::ScalingPoint measure_scaling(const ScaleOptions& options, Session& session) {
  // Every rank would say the same.
  dist::agree(session.world(), [&] { check_windows(options, session.world().size()); });
  return Measurement(options, session).point();
}

}  // namespace epi::launch
