// The trace of a run: begun before the first step of the range, written once all that happened at
// the boundary after the last one is over - or where the run stops.
#include "train/run.hpp"
#include "train/trace_file.hpp"

namespace epi::train {
namespace {

double clock_s() {
  return std::chrono::duration<double>(Trace::Clock::now().time_since_epoch()).count();
}

}  // namespace

void Run::warn_of_trace() const {
  const StepRange& range = config_.train.trace;
  if (range.last == 0) return;
  if (range.first > config_.train.steps) {
    return warn("no trace: steps {} to {} lie beyond the last step of this run, {}", range.first,
                range.last, config_.train.steps);
  }
  if (range.last <= step()) {
    warn("no trace: steps {} to {} are done already, this run goes on from step {}", range.first,
         range.last, step());
  }
}

// No step is under way before the first of the range: see boundary().
void Run::begin_trace() {
  if (trace_ || !config_.train.trace.holds(step_->begun() + 1)) return;
  if (step_->begun() != step()) return;
  traced_from_ = step_->begun() + 1;
  trace_.emplace(*stream_);
  step_->watch(&*trace_);
}

// The clocks are compared when the steps are over, so that nothing disturbs them.
void Run::end_trace() {
  if (!trace_ || (step() < config_.train.trace.last && !ending())) return;
  watchdog_.expect(fmt::format("the trace of steps {} to {}", traced_from_, step()));
  step_->watch(nullptr);
  const std::vector<Span> spans = trace_->spans();
  trace_.reset();
  const dist::ClockOffset offset = dist::clock_offset(world_, clock_s);
  const auto path = folder_.trace(traced_from_, step());
  const auto failure = write_trace(path, spans, offset, world_);
  if (!writer()) return;
  if (failure) return log_.warn("no trace of steps {} to {}: {}", traced_from_, step(), *failure);
  log_.info("steps {} to {} are traced in {}: open it in ui.perfetto.dev or chrome://tracing",
            traced_from_, step(), path.string());
  event("trace", {{"first", traced_from_}, {"path", path.filename().string()}});
}

}  // namespace epi::train
