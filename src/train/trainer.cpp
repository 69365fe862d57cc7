// The run as an object: set up, take up the newest checkpoint, loop, say what it cost.
#include "train/trainer.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <array>
#include <chrono>
#include <cmath>
#include <memory>

#include "core/files.hpp"
#include "core/version.hpp"
#include "data/shard.hpp"
#include "train/algorithms.hpp"
#include "train/checkpoint.hpp"
#include "train/device_memory.hpp"
#include "train/metrics.hpp"
#include "train/run_data.hpp"
#include "train/run_folder.hpp"
#include "train/status.hpp"
#include "train/threads.hpp"
#include "train/training_step.hpp"

namespace epi::train {
namespace {

// Fewer bins than this in a window: hidden bins have hardly any visible neighbours to learn from.
constexpr std::int64_t kFewBins = 4;

std::int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

class Run {
 public:
  Run(const RunConfig& config, const RunPlace& place, dist::Communicator& world,
      const core::Log& log, const StopRequest& stop)
      : config_(config),
        place_(place),
        folder_{place.out},
        world_(world),
        log_(log),
        stop_(stop),
        watchdog_(place.on_hang ? config.train.hang_timeout_s : 0.0, place.on_hang,
                  [&world] { return world.failure(); }) {}

  RunResult go();

 private:
  void place_corpus();
  void build();
  void explained(const std::function<void()>& work);
  void warn_of_other_bits() const;
  void open_folder();
  void take_up();
  void open_metrics();
  void announce();
  void loop();
  void take(const std::optional<StepReport>& report);
  [[nodiscard]] bool boundary() const;
  void at_boundary();
  void record(const StepReport& report);
  void give_up_if_poisoned(const StepReport& report);
  void evaluate();
  void checkpoint();
  void finish();
  void check_alike();
  [[nodiscard]] StepSetup step_setup();
  [[nodiscard]] bool writer() const { return world_.rank() == 0; }
  /// Once for all ranks, also with --quiet.
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    if (writer()) log_.warn(format, std::forward<Args>(args)...);
  }
  [[nodiscard]] std::int64_t step() const { return step_->progress().step; }
  [[nodiscard]] Identity identity() const;
  [[nodiscard]] CheckpointNote note() const;
  void event(const std::string& name, const std::vector<EventField>& fields);

  const RunConfig& config_;
  const RunPlace& place_;
  RunFolder folder_;
  dist::Communicator& world_;
  const core::Log& log_;
  const StopRequest& stop_;

  std::optional<RunLock> lock_;  // of the writer
  std::unique_ptr<MetricsLog> metrics_;
  std::optional<RunData> data_;
  model::ModelConfig model_;
  int threads_ = 1;  // of this rank
  std::unique_ptr<kernels::Ops> ops_;
  PrecisionChoice precision_;
  std::optional<core::Stream> stream_;
  std::optional<DeviceCorpus> corpus_;
  std::optional<TrainingStep> step_;
  std::optional<Validator> validator_;
  std::optional<Checkpoint> newest_;  // of the writer: what to resume from
  std::optional<StatusLine> status_;

  std::int64_t evaluated_at_ = -1, saved_at_ = -1;
  int skipped_in_row_ = 0;
  bool checkpoint_due_ = false;
  bool stopping_ = false;  // some rank wishes to stop
  bool skipped_ = false;   // the last step that was reported
  RunResult result_;
  dist::Watchdog watchdog_;
};

RunResult Run::go() {
  threads_ = threads_per_rank(config_.train.threads, world_, log_);
  dist::agree(world_, [&] {
    check_ranks(config_, world_.size());
    data_.emplace(open_run_data(config_, world_));
    ops_ = make_ops(place_.device.device, threads_, config_.train.reproducible);
  });
  check_alike();
  precision_ = choose_precision(config_.train.precision, *ops_, world_);
  if (world_.size() > 1 && config_.train.exchange_precision == core::DType::bf16) {
    precision_.instruction_set += ", gradients exchanged in bf16";
  }
  dist::agree(world_, [&] { explained([&] { place_corpus(); }); });
  dist::agree(world_, [&] { explained([&] { build(); }); });
  dist::agree(world_, [&] {
    if (writer()) open_folder();
  });
  take_up();
  share_choices(step_setup(), newest_ ? newest_->note.choices : "", log_);
  dist::agree(world_, [&] {
    if (writer()) open_metrics();
  });
  announce();
  loop();
  finish();
  return std::move(result_);
}

void Run::place_corpus() {
  model_ = config_.model;
  model_.num_states = data_->corpus.num_states;
  model_.check();
  stream_.emplace(ops_->device());
  corpus_.emplace(data_->corpus, ops_->device());
}

void Run::build() {
  step_.emplace(step_setup());
  if (!data_->valid) return;
  validator_.emplace(ValidatorSetup{config_.tokens, config_.masks, *corpus_, *ops_, step_->model(),
                                    world_, *stream_});
}

// A GPU without memory left: what would fit is known once all that was taken is given back.
void Run::explained(const std::function<void()>& work) {
  if (ops_->device() == core::kCpu) return work();
  try {
    work();
  } catch (const core::DeviceError& error) {
    const std::string failure = error.what();
    if (failure.find("out of memory") == std::string::npos) throw;
    validator_.reset();
    step_.reset();
    corpus_.reset();
    const core::CorpusView& corpus = data_->corpus;
    throw core::DeviceError(describe_shortage(
        failure, {config_, model_, corpus, *ops_, world_.size(), precision_.activations},
        core::cuda_free_bytes(ops_->device().index)));
  }
}

StepSetup Run::step_setup() {
  return {config_, model_, *corpus_, *data_->order,
          *ops_,   world_, *stream_, {precision_.activations, config_.train.recompute}};
}

// Every rank updates its own copy of the parameters: on unlike instruction sets the copies' last
// bits would drift apart.
void Run::check_alike() {
  const auto instruction_set = [](const std::string& description) {
    return description.substr(0, description.find(','));
  };
  const std::vector<std::string> all = world_.gather_text(ops_->description());
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (instruction_set(all[rank]) == instruction_set(all[0])) continue;
    dist::agree(world_, [&] {
      throw core::ConfigError(fmt::format("rank 0 computes with {} and rank {} with {}: {}",
                                          instruction_set(all[0]), rank, instruction_set(all[rank]),
                                          ops_->device() == core::kCpu
                                              ? "set EPITRAIN_ISA=v3 (or base) on all nodes"
                                              : "take GPUs of one model"));
    });
  }
}

// The writer's part of starting: the lock, what is there already, the configuration.
void Run::open_folder() {
  lock_.emplace(folder_.root);
  if (!lock_->held()) {
    log_.warn("{}: this file system has no locks: make sure that no other run writes there",
              folder_.root.string());
  }
  FoundCheckpoint found = find_checkpoint(folder_.checkpoints());
  for (const DamagedCheckpoint& damaged : found.damaged) {
    log_.warn("passing over a damaged checkpoint: {}", damaged.reason);
  }
  if (!found.newest && !found.damaged.empty()) {
    throw core::FormatError(fmt::format(
        "{}: none of its checkpoints is whole; look at the file system, or move them away to start "
        "this run over",
        folder_.checkpoints().string()));
  }
  if (found.newest) {
    const CheckpointNote& before = found.newest->note;
    check_same(before.identity, identity());
    if (before.store_fingerprint != data_->store.manifest().digest) {
      throw core::ConfigError(
          fmt::format("{} is not the store that this run began with (fingerprint {}, then {}): "
                      "give that one, or "
                      "start another run in a new folder",
                      config_.store, data_->store.manifest().digest, before.store_fingerprint));
    }
    read_blocks(*found.newest, step_->table(), step_->blocks());
  }
  clean_checkpoints(folder_.checkpoints(), found.damaged);
  core::write_durably(folder_.config(), std::string_view(config_.resolved));
  newest_ = std::move(found.newest);
}

// Everybody gets the writer's state; a new run has its initial values already.
void Run::take_up() {
  std::array<std::int64_t, 4> progress{};
  if (newest_) {
    const RunProgress& p = newest_->note.progress;
    progress = {1, p.step, p.updates, p.skipped};
  }
  world_.broadcast(core::View(progress.data(), {4}), 0);
  if (progress[0] == 0) return;
  const TrainingBlocks blocks = step_->blocks();
  for (const core::View& block : {blocks.parameters, blocks.moment1, blocks.moment2}) {
    world_.broadcast(block, 0);
  }
  step_->restore({.step = progress[1], .updates = progress[2], .skipped = progress[3]});
  result_.first_step = progress[1];
  saved_at_ = progress[1];
}

// A checkpoint holds the same numbers whatever computed them, so this is no reason to refuse.
void Run::warn_of_other_bits() const {
  const CheckpointNote& before = newest_->note;
  const auto tell = [&](const char* what, const std::string& then, const std::string& now) {
    if (then.empty() || then == now) return false;
    warn(
        "this run computed {} {} and goes on {} {}: its bits will not be those of a run that was "
        "never interrupted",
        what, then, what, now);
    return true;
  };
  if (tell("in", before.precision, precision_.name)) return;
  (void)tell("with", before.instruction_set, precision_.instruction_set);
}

void Run::open_metrics() {
  metrics_ = std::make_unique<MetricsLog>(folder_.metrics(), folder_.events(), step());
}

void Run::announce() {
  const std::int64_t bins = config_.tokens.window_bp() / data_->corpus.bin_bp;
  if (config_.state_weight > 0.0 && bins < kFewBins) {
    warn(
        "a window of {} bp holds {} bins of {} bp: too few to learn states from their "
        "neighbours; lengthen tokens.length, or set objective.state_weight = 0",
        config_.tokens.window_bp(), bins, data_->corpus.bin_bp);
  }
  if (!data_->valid) warn("the store has no validation split: nothing will be evaluated");
  if (newest_ && newest_->note.world_size != world_.size()) {
    log_.info(
        "this run had {} ranks and has {} now: it goes on with the same batches, equal to "
        "rounding",
        newest_->note.world_size, world_.size());
  }
  if (newest_) log_.info("resuming from {}", newest_->path.string());
  if (newest_) warn_of_other_bits();
  log_.info("device {}", place_.device.line);
  if (world_.size() > 1) {
    log_.info("gradients travel {}",
              place_.exchange_line.empty() ? "in memory of the host" : place_.exchange_line);
  }
  log_.info("precision {}", precision_.line);
  log_.info("{} parameters, {} windows x cell types an epoch, {} windows a step; {}; {}",
            step_->table().num_parameters(), data_->order->epoch_size(), config_.train.global_batch,
            world_.description(), ops_->description());
  event("start",
        {{"program", core::version_text()},
         {"build", core::build_text()},
         {"store", config_.store},
         {"store_fingerprint", data_->store.manifest().digest},
         {"ranks", std::int64_t{world_.size()}},
         {"world", world_.description()},
         {"device", std::string(ops_->description())},
         {"device_choice", place_.device.line},
         {"exchange", place_.exchange_line},
         {"precision", precision_.name},
         {"instruction_set", precision_.instruction_set},
         {"recompute", config_.train.recompute == model::Recompute::layer ? "layer" : "none"},
         {"parameters", step_->table().num_parameters()},
         {"epoch_size", data_->order->epoch_size()},
         {"state_bytes", static_cast<std::int64_t>(step_->memory().total())},
         {"config", config_.resolved}});
}

// The host may be a step ahead of its device: what it knows of is what was reported.
void Run::loop() {
  status_.emplace(log_, config_, step());
  while (step_->begun() < config_.train.steps && !result_.stopped) {
    watchdog_.expect(fmt::format("step {}", step_->begun() + 1));
    explained([&] { take(step_->run(stop_.requested())); });
    if (!boundary()) continue;
    take(step_->drain());
    watchdog_.rest();
    at_boundary();
  }
}

void Run::take(const std::optional<StepReport>& report) {
  if (!report) return;
  step_->timings().measure(Part::report, [&] { record(*report); });
  give_up_if_poisoned(*report);
  if (report->exchange && world_.size() > 1) result_.exchange.add(*report->exchange);
  stopping_ |= report->stop;
  skipped_ = report->skipped;
}

// Where the run does something else than steps; the same steps on all ranks.
bool Run::boundary() const {
  const auto every = [&](std::int64_t cadence) {
    return cadence > 0 && step_->begun() % cadence == 0;
  };
  // What an exchange cost is known where no later step is under way.
  const bool exchanges = world_.size() > 1 && every(config_.log_every);
  return exchanges || stopping_ || checkpoint_due_ || every(config_.checkpoint_every) ||
         every(config_.evaluate_every) || step_->begun() == config_.train.steps;
}

void Run::at_boundary() {
  const auto every = [&](std::int64_t cadence) { return cadence > 0 && step() % cadence == 0; };
  const bool last = step() == config_.train.steps;
  result_.stopped = stopping_ && !last;
  checkpoint_due_ |= every(config_.checkpoint_every) || last || result_.stopped;
  // After a skipped step, rather wait for one that is applied - unless there will be none.
  if (checkpoint_due_ && (!skipped_ || last || result_.stopped)) checkpoint();
  // Saved first: a long evaluation must not cost the steps before it, nor the time left to stop.
  if ((every(config_.evaluate_every) || last) && !result_.stopped) evaluate();
}

void Run::record(const StepReport& report) {
  const std::int64_t samples = report.step * config_.train.global_batch;
  const double tokens = static_cast<double>(config_.train.global_batch * config_.tokens.length);
  result_.loss = report.loss;
  if (metrics_) {
    metrics_->add(
        {.step = report.step,
         .epoch = static_cast<double>(samples) / static_cast<double>(data_->order->epoch_size()),
         .samples = samples,
         .tokens = samples * config_.tokens.length,
         .learning_rate = report.learning_rate,
         .loss = report.loss,
         .dna_loss = report.dna.loss(),
         .state_loss = report.state.loss(),
         .dna_accuracy = report.dna.accuracy(),
         .gradient_norm = report.gradient_norm,
         .skipped = report.skipped,
         .tokens_per_s = tokens / report.seconds,
         .seconds = report.seconds});
  }
  status_->add(report);
}

void Run::give_up_if_poisoned(const StepReport& report) {
  if (!report.skipped) {
    skipped_in_row_ = 0;
    return;
  }
  ++skipped_in_row_;
  warn("step {} was skipped: its gradient is not finite ({} in a row)", report.step,
       skipped_in_row_);
  event("skip", {{"in_row", std::int64_t{skipped_in_row_}}, {"loss", report.loss}});
  if (skipped_in_row_ < kMaxSkippedInRow) return;
  event("give_up", {{"reason", "non-finite gradients"}});
  const std::string message = fmt::format(
      "{} steps in a row had a gradient that is not finite (last: step {}, loss {}): try a lower "
      "optimizer.learning_rate or a longer schedule.warmup_steps; {}",
      skipped_in_row_, report.step, report.loss,
      saved_at_ >= 0 ? fmt::format("the checkpoint of step {} is intact", saved_at_)
                     : std::string("no checkpoint was written yet"));
  dist::agree(world_, [&] { throw core::NumericError(message); });
}

void Run::evaluate() {
  if (!validator_ || evaluated_at_ == step()) return;
  evaluated_at_ = step();
  result_.validation = step_->timings().measure(
      Part::evaluate, [&] { return validator_->run(*data_->valid, step_->parameters()); });
  const MaskedScores& scores = *result_.validation;
  log_.info("evaluation at step {}: {}", step(), describe(scores));
  event("eval", {{"samples", scores.samples},
                 {"dna_targets", scores.dna.targets},
                 {"dna_loss", scores.dna.loss()},
                 {"dna_accuracy", scores.dna.accuracy()},
                 {"bits_per_base", scores.bits_per_base()},
                 {"state_targets", scores.state.targets},
                 {"state_loss", scores.state.loss()},
                 {"state_accuracy", scores.state.accuracy()}});
}

// A share of A C G T that leaves no window out is no part of the mathematics.
Identity Run::identity() const {
  RunConfig config = config_;
  config.min_acgt = data_->min_acgt;
  return identity_of(config);
}

CheckpointNote Run::note() const {
  CheckpointNote note;
  note.progress = step_->progress();
  note.samples = note.progress.step * config_.train.global_batch;
  note.seed = config_.train.seed;
  note.world_size = world_.size();
  note.precision = precision_.name;
  note.instruction_set = precision_.instruction_set;
  note.choices = ops_->choices();
  note.store_fingerprint = data_->store.manifest().digest;
  note.store_manifest = data::to_json(data_->store.manifest());
  note.config = config_.resolved;
  note.identity = identity();
  return note;
}

void Run::checkpoint() {
  if (saved_at_ == step()) return;
  bool saved = true;  // as the writer finds; the others hold the same parameters
  step_->timings().measure(Part::checkpoint, [&] {
    dist::agree(world_, [&] {
      if (!writer()) return;
      saved = step_->parameters_finite();
      if (!saved) return;
      const auto path =
          write_checkpoint(folder_.checkpoints(), note(), step_->table(), step_->blocks());
      prune_checkpoints(folder_.checkpoints(), step(), config_.checkpoint_keep);
      event("checkpoint", {{"path", path.filename().string()}});
    });
  });
  std::int32_t outcome = saved ? 1 : 0;
  world_.broadcast(core::View(&outcome, {1}), 0);
  if (outcome == 0) {
    warn("no checkpoint at step {}: parameters are not finite", step());
    return;
  }
  saved_at_ = step();
  checkpoint_due_ = false;
}

void Run::finish() {
  Timings& timings = step_->timings();
  const std::int64_t steps = step() - result_.first_step;
  const double tokens =
      static_cast<double>(steps * config_.train.global_batch * config_.tokens.length);
  std::int64_t peak = peak_resident_bytes();
  world_.start(dist::Reduce::max, core::View(&peak, {1}), {}).wait(*stream_);
  result_.step = step();
  result_.skipped = step_->progress().skipped;
  result_.timings = timings;
  result_.tokens_per_s = steps > 0 ? tokens / timings.step_seconds() : 0.0;
  result_.state_bytes = static_cast<std::int64_t>(step_->memory().total());
  result_.peak_bytes = peak;
  if (steps == 0) log_.info("step {} of {}: this run is complete", step(), config_.train.steps);
  if (result_.stopped) {
    log_.info("stopped by signal at step {}, checkpoint of step {}: start again to go on", step(),
              saved_at_);
  }
  log_.info("{}", describe_costs(result_));
  event(result_.stopped ? "stop" : "end", cost_fields(result_));
}

void Run::event(const std::string& name, const std::vector<EventField>& fields) {
  if (metrics_) metrics_->event(name, step(), fields);
}

}  // namespace

RunResult pretrain(const RunConfig& config, const RunPlace& place, dist::Communicator& world,
                   const core::Log& log, const StopRequest& stop) {
  return Run(config, place, world, log, stop).go();
}

}  // namespace epi::train
