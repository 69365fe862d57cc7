// Checkpoints of a run: all ranks come together for a snapshot, then rank 0 writes it while steps
// go on. What becomes of it is known at the next step's report at the earliest; a failed one is
// told, and tried again when the next is due.
#include "train/run.hpp"

namespace epi::train {

void Run::checkpoint() {
  if (saved_at_ == step()) return;
  watchdog_.expect(fmt::format("the checkpoint of step {}", step()));
  std::int32_t finite = 1;  // as the writer finds; the others hold the same parameters
  const double waited_s = step_->timings().seconds(Part::checkpoint);
  step_->timings().measure(Part::checkpoint, [&] {
    // The one before may still be written from the same memory.
    dist::agree(world_, [&] {
      if (saver_) settle_checkpoint();
    });
    step_->snapshot(saver_ ? saver_->blocks() : TrainingBlocks{});
    dist::agree(world_, [&] {
      if (!saver_) return;
      finite = step_->parameters_finite() ? 1 : 0;
      if (finite != 0) start_checkpoint();
    });
    world_.broadcast(core::View(&finite, {1}), 0);
  });
  if (!ending()) {
    ++saves_;
    save_wait_s_ += step_->timings().seconds(Part::checkpoint) - waited_s;
  }
  if (finite == 0) {
    warn("no checkpoint at step {}: parameters are not finite", step());
    return;
  }
  saved_at_ = step();
  checkpoint_due_ = false;
}

// Of the writer. Waits where a failure would be the run's end, and where nothing comes after it.
void Run::start_checkpoint() {
  use_at_save_ = time_use();
  saver_->start(note());
  const bool last_chance = ending() || failed_in_row_ + 1 >= kMaxFailedInRow;
  if (config_.checkpoint_asynchronous && !last_chance) return;
  settle_checkpoint();
  if (failed_in_row_ == 0 || !last_chance) return;
  event("give_up", {{"reason", "no checkpoint could be written"}});
  throw core::IoError(fmt::format(
      "the checkpoint of step {} could not be written ({}): {}; {}. Make room, or make the folder "
      "writable, and start again",
      step(), ending() ? "the last one" : fmt::format("{} in a row", failed_in_row_), last_failure_,
      intact_text()));
}

void Run::settle_checkpoint() {
  if (const auto outcome = saver_->wait()) tell(*outcome);
}

std::string Run::intact_text() const {
  if (intact_at_ < 0) return "no checkpoint was written yet";
  return fmt::format("the checkpoint of step {} is intact", intact_at_);
}

// Of the writer, at whichever step it hears of it.
void Run::tell(const CheckpointOutcome& outcome) {
  slowest_save_s_ = std::max(slowest_save_s_, outcome.seconds);
  if (outcome.failure.empty()) {
    failed_in_row_ = 0;
    intact_at_ = outcome.step;
    std::vector<EventField> fields = {{"path", outcome.path.filename().string()},
                                      {"write_s", outcome.seconds}};
    for (const EventField& field : use_at_save_.fields()) fields.push_back(field);
    return event_at(outcome.step, "checkpoint", fields);
  }
  ++failed_in_row_;
  last_failure_ = outcome.failure;
  log_.warn("no checkpoint of step {}: {} ({} of {} in a row end the run); {}", outcome.step,
            outcome.failure, failed_in_row_, kMaxFailedInRow, intact_text());
  event_at(outcome.step, "checkpoint_failed",
           {{"reason", outcome.failure}, {"in_row", std::int64_t{failed_in_row_}}});
}

void Run::event(const std::string& name, const std::vector<EventField>& fields) {
  event_at(step(), name, fields);
}

void Run::event_at(std::int64_t at, const std::string& name,
                   const std::vector<EventField>& fields) {
  if (!metrics_) return;
  metrics_->event(name, at, fields);
  tell_of_metrics();
}

// Rows that cannot be written are kept and tried again, so a full disk does not end a run that a
// human may still save.
void Run::tell_of_metrics() {
  if (!metrics_ || metrics_wait_ == !metrics_->trouble().empty()) return;
  metrics_wait_ = !metrics_wait_;
  if (metrics_wait_) {
    log_.warn("{}: metrics and events are kept in memory until it can be written again",
              metrics_->trouble());
  }
}

}  // namespace epi::train
