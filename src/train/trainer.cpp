// The loop of a run: steps, reports, evaluations, checkpoints, and what it all cost.
#include "train/trainer.hpp"

#include <ctime>

#include "train/algorithms.hpp"
#include "train/alike.hpp"
#include "train/instruction_set.hpp"
#include "train/rank_share.hpp"
#include "train/run.hpp"
#include "train/threads.hpp"

namespace epi::train {
RunResult Run::go() {
  threads_ = threads_per_rank(config_.train.threads, world_, log_);
  if (place_.device.device == core::kCpu) agree_on_instruction_set(world_, log_);
  dist::agree(world_, [&] {
    config_ = shared_over(written_, world_.size());
    data_.emplace(open_run_data(config_, world_));
    ops_ = make_ops(place_.device.device, threads_, config_.train.reproducible);
  });
  check_store(data_->store.manifest().digest, config_.store, world_);
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
  watchdog_.expect("the first sums over the ranks");
  choose_buckets();
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
  use_.start_s = time_use().wall_s;
  while (step_->begun() < config_.train.steps && !result_.stopped) {
    begin_trace();
    watchdog_.expect(fmt::format("step {}", step_->begun() + 1));
    explained([&] { take(step_->run(!stop_reason().empty())); });
    if (!boundary()) continue;
    take(step_->drain());
    at_boundary();
    end_trace();
  }
}

void Run::take(const std::optional<StepReport>& report) {
  if (!report) return;
  if (saver_) {
    if (const auto outcome = saver_->poll()) tell(*outcome);
  }
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
  const bool exchanges =
      world_.size() > 1 && (every(config_.log_every) || every(config_.train.replica_check_every));
  const StepRange& traced = config_.train.trace;
  const bool trace = step_->begun() + 1 == traced.first || step_->begun() == traced.last;
  return exchanges || trace || stopping_ || checkpoint_due_ || every(config_.checkpoint_every) ||
         every(config_.evaluate_every) || step_->begun() == config_.train.steps;
}

void Run::at_boundary() {
  const auto every = [&](std::int64_t cadence) { return cadence > 0 && step() % cadence == 0; };
  const bool last = step() == config_.train.steps;
  result_.stopped = stopping_ && !last;
  // Before a checkpoint of this step, which must not be of spoilt weights.
  if (world_.size() > 1 && every(config_.train.replica_check_every)) compare_replicas();
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
  const bool redone = report.step <= life_.last_step;
  steps_s_ += report.seconds;
  slowest_step_s_ = std::max(slowest_step_s_, report.seconds);
  (report.skipped ? use_.skipped_s : redone ? use_.redone_s : use_.useful_s) += report.seconds;
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
  tell_of_metrics();
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
  if (saver_) settle_checkpoint();
  event("give_up", {{"reason", "non-finite gradients"}});
  tell_goodput();
  const std::string message = fmt::format(
      "{} steps in a row had a gradient that is not finite (last: step {}, loss {}): try a lower "
      "optimizer.learning_rate or a longer schedule.warmup_steps; {}",
      skipped_in_row_, report.step, report.loss, intact_text());
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

Deadline Run::deadline_of(const RunConfig& config, const RunPlace& place) {
  return {{config.train.max_time_s, config.train.stop_margin_s, place.job_end_unix_s},
          place.begun,
          Timings::Clock::now(),
          std::int64_t{std::time(nullptr)}};
}

RunResult pretrain(const RunConfig& config, const RunPlace& place, dist::Communicator& world,
                   const core::Log& log, const StopRequest& stop) {
  return Run(config, place, world, log, stop).go();
}

}  // namespace epi::train
