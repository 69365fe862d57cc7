// The loop of a run: steps, reports, evaluations, checkpoints, and what it all cost.
#include "train/trainer.hpp"

#include <sys/resource.h>

#include <chrono>
#include <cmath>

#include "train/algorithms.hpp"
#include "train/rank_share.hpp"
#include "train/run.hpp"
#include "train/threads.hpp"

namespace epi::train {
namespace {

std::int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

}  // namespace

RunResult Run::go() {
  threads_ = threads_per_rank(config_.train.threads, world_, log_);
  dist::agree(world_, [&] {
    config_ = shared_over(written_, world_.size());
    data_.emplace(open_run_data(config_, world_));
    ops_ = make_ops(place_.device.device, threads_, config_.train.reproducible);
  });
  check_alike();
  precision_ = choose_precision(config_.train.precision, *ops_, world_);
  if (world_.size() > 1 && config_.train.exchange_precision == core::DType::bf16) {
    precision_.instruction_set += ", gradients exchanged in bf16";
  }
  // Reading the store takes as long as its disks do; from here on the times are known.
  watchdog_.expect("the corpus and the tensors of the run");
  dist::agree(world_, [&] { explained([&] { place_corpus(); }); });
  dist::agree(world_, [&] { explained([&] { build(); }); });
  dist::agree(world_, [&] {
    if (writer()) open_folder();
  });
  take_up();
  watchdog_.expect("the algorithms of products");
  dist::agree(world_, [&] {
    explained([&] { share_choices(step_setup(), newest_ ? newest_->note.choices : "", log_); });
  });
  dist::agree(world_, [&] {
    if (writer()) open_metrics();
  });
  announce();
  loop();
  finish();
  return std::move(result_);
}

// The host may be a step ahead of its device: what it knows of is what was reported.
void Run::loop() {
  status_.emplace(log_, config_, step());
  while (step_->begun() < config_.train.steps && !result_.stopped) {
    watchdog_.expect(fmt::format("step {}", step_->begun() + 1));
    explained([&] { take(step_->run(stop_.requested())); });
    if (!boundary()) continue;
    take(step_->drain());
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
         .seconds = report.seconds,
         .fingerprint = report.samples});
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
  const auto alive = [&](const ScoredBatch&) {
    watchdog_.expect(fmt::format("the evaluation at step {}", step()));
  };
  result_.validation = step_->timings().measure(
      Part::evaluate, [&] { return validator_->run(*data_->valid, step_->parameters(), alive); });
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

void Run::checkpoint() {
  if (saved_at_ == step()) return;
  watchdog_.expect(fmt::format("the checkpoint of step {}", step()));
  bool saved = true;  // as the writer finds; the others hold the same parameters
  step_->timings().measure(Part::checkpoint, [&] {
    dist::agree(world_, [&] {
      if (writer() && !host_) host_.emplace(step_->table().block_size());
    });
    step_->snapshot(host_ ? host_->views() : TrainingBlocks{});
    dist::agree(world_, [&] {
      if (!writer()) return;
      saved = step_->parameters_finite();
      if (!saved) return;
      const auto path =
          write_checkpoint(folder_.checkpoints(), note(), step_->table(), host_->views());
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
  watchdog_.rest();
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

RunResult pretrain(const RunConfig& config, const RunPlace& place, dist::Communicator& world,
                   const core::Log& log, const StopRequest& stop) {
  return Run(config, place, world, log, stop).go();
}

}  // namespace epi::train
