// How a run ends: when and why it stops, where its time went, what it cost.
#include <sys/resource.h>

#include <csignal>

#include "train/run.hpp"

namespace epi::train {
namespace {

using Seconds = std::chrono::duration<double>;

/// Between two failures of a machine, where a run has not seen enough of its own to tell: a day, as
/// clusters of hundreds of GPUs have it.
constexpr double kBetweenFailures = 86400.0;
constexpr std::int64_t kEnoughFailures = 3;
/// Room for a step and a checkpoint that take longer than they ever did.
constexpr double kRoom = 2.0;

std::int64_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

const char* name_of_signal(int signal) {
  switch (signal) {
    case SIGTERM:
      return "TERM";
    case SIGUSR1:
      return "USR1";
    case SIGUSR2:
      return "USR2";
    case SIGHUP:
      return "HUP";
    default:
      return "unknown";
  }
}

}  // namespace

bool Run::ending() const {
  return result_.stopped || step() == config_.train.steps;
}

// Of this process; the step's report says whether any has one.
std::string Run::stop_reason() const {
  if (stop_.requested()) return fmt::format("by signal {}", name_of_signal(stop_.signal()));
  return deadline_.reason(Timings::Clock::now(), kRoom * (slowest_save_s_ + slowest_step_s_));
}

// What steps waited for other ranks for is taken from the useful ones in proportion.
TimeUse Run::time_use() {
  TimeUse use = use_;
  use.wall_s = Seconds(Timings::Clock::now() - place_.begun).count();
  if (!step_) return use;
  const Timings& timings = step_->timings();
  use.checkpoint_s = timings.seconds(Part::checkpoint);
  use.evaluate_s = timings.seconds(Part::evaluate);
  if (steps_s_ <= 0.0) return use;
  const double steps = static_cast<double>(step() - result_.first_step);
  // A device's steps are whole; what the exchange exposes is measured in some of them.
  const double exposed_s = timings.seconds(Part::exchange) > 0.0
                               ? timings.seconds(Part::exchange)
                               : result_.exchange.exposed_per_step_s() * steps;
  use.exchange_s = std::min(exposed_s, steps_s_) * use.useful_s / steps_s_;
  use.useful_s -= use.exchange_s;
  return use;
}

void Run::tell_goodput() {
  result_.time = time_use();
  std::string life;
  if (life_.starts > 0) {
    life = fmt::format("; of the whole run, {} starts: {}", life_.starts + 1,
                       with_present(life_, result_.time).text());
  }
  log_.info("goodput {}{}", result_.time.text(), life);
}

void Run::tell_cadence() const {
  const std::int64_t steps = step() - result_.first_step;
  if (saves_ == 0 || steps == 0 || steps_s_ <= 0.0) return;
  const bool known = life_.failures >= kEnoughFailures;
  const double life_s = life_.sum.wall_s - life_.sum.down_s;
  log_.info("{}",
            cadence_hint({.every = config_.checkpoint_every,
                          .wait_s = save_wait_s_ / static_cast<double>(saves_),
                          .write_s = slowest_save_s_,
                          .step_s = steps_s_ / static_cast<double>(steps),
                          .between_failures_s = known ? life_s / static_cast<double>(life_.failures)
                                                      : kBetweenFailures}));
}

void Run::sum_up() {
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
}

std::vector<EventField> Run::last_fields() const {
  std::vector<EventField> fields = cost_fields(result_);
  for (const EventField& field : result_.time.fields()) fields.push_back(field);
  fields.push_back({"goodput", result_.time.goodput()});
  fields.push_back({"goodput_of_life", with_present(life_, result_.time).goodput()});
  return fields;
}

void Run::finish() {
  watchdog_.expect("the end of the run");
  sum_up();
  if (step() == result_.first_step)
    log_.info("step {} of {}: this run is complete", step(), config_.train.steps);
  const std::string reason = stop_reason().empty() ? "as another rank wished" : stop_reason();
  if (result_.stopped) {
    log_.info("stopped {} at step {}, checkpoint of step {}: start again to go on", reason, step(),
              saved_at_);
  }
  log_.info("{}", describe_costs(result_));
  tell_cadence();
  tell_goodput();
  std::vector<EventField> fields = last_fields();
  if (result_.stopped) fields.push_back({"reason", reason});
  event(result_.stopped ? "stop" : "end", fields);
  dist::agree(world_, [&] {
    if (metrics_) metrics_->flush();
  });
  watchdog_.rest();
}

}  // namespace epi::train
