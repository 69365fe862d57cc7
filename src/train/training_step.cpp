// The host's side of a step: fills what is sent to the device, lets the work be queued, and reads
// reports as late as the device allows.
#include "train/training_step.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "train/recorded_step.hpp"
#include "train/sample_fingerprint.hpp"
#include "train/schedule.hpp"
#include "train/step_block.hpp"
#include "train/step_work.hpp"

namespace epi::train {
namespace {

using core::View;
using kernels::StepState;

/// When a step began and ended, by the device's clock.
struct StepMarks {
  core::Mark begin, end;
};

ObjectiveTotals totals(const StepOutcome& outcome, MessageSlot slot) {
  const auto at = static_cast<std::size_t>(slot);
  return {outcome.message[at], outcome.message[at + 1], outcome.message[at + 2]};
}

/// One number of the device's memory, once all work queued before is done.
template <class T>
T read(const core::ConstView& view, core::Stream& stream) {
  T value{};
  core::copy(View(&value, {1}), view, stream);
  stream.synchronize();
  return value;
}

}  // namespace

ObjectiveTotals& ObjectiveTotals::operator+=(const ObjectiveTotals& other) {
  nll += other.nll;
  targets += other.targets;
  correct += other.correct;
  return *this;
}

struct TrainingStep::State {
  explicit State(const StepSetup& s);

  void initialise() const;
  void prime();
  void fill(std::int64_t step, bool wish_to_stop);
  [[nodiscard]] StepState state_of(std::int64_t step, std::int64_t j) const;
  void queue();
  void queue_traced();
  [[nodiscard]] StepReport collect();
  [[nodiscard]] double seconds_of(std::int64_t step);
  [[nodiscard]] StepReport report(std::int64_t step, const StepOutcome& outcome);
  [[nodiscard]] StepMarks& marks_of(std::int64_t step) {
    return marks[static_cast<std::size_t>(step) % marks.size()];
  }

  StepSetup setup;
  std::int64_t local;  // micro-batches of this rank
  std::int64_t ahead;  // steps that may be under way when run returns
  StepBlock block;
  Timings timings;
  StepWork work;
  RecordedStep recording;
  Trace* trace = nullptr;
  std::vector<StepMarks> marks;  // of the steps under way, and of the one before
  std::int64_t begun = 0;        // steps
  std::int64_t run_here = 0;     // of these, by this object
  std::int64_t fresh = 0;        // the last one that was begun with none under way
  bool primed = false;
  std::uint64_t next_samples = 0;  // of this rank, as fingerprint_of, in the step not yet begun
  RunProgress progress;
};

TrainingStep::State::State(const StepSetup& s)
    : setup(s),
      local(s.config.train.micro_batches() / s.world.size()),
      ahead(s.ops.device() == core::kCpu ? 0 : StepBlock::kSlots - 1),
      block(local, s.config.train.micro_batch, s.ops.device()),
      work(s, block, timings),
      recording(s.stream) {
  for (std::int64_t slot = 0; slot <= StepBlock::kSlots; ++slot) {
    marks.push_back({core::Mark(s.ops.device()), core::Mark(s.ops.device())});
  }
  initialise();
}

void TrainingStep::State::initialise() const {
  const View& parameters = work.weights().exact();
  const auto fill_in = [&](const View& values) {
    model::initialise(work.model().table(), setup.config.train.seed, setup.model.initial_deviation,
                      values);
  };
  if (parameters.device() == core::kCpu) return fill_in(parameters);
  const core::Tensor host(core::DType::f32, {parameters.size()});
  fill_in(host);
  work.weights().load(host, setup.stream);
}

StepState TrainingStep::State::state_of(std::int64_t step, std::int64_t j) const {
  const TrainConfig& train = setup.config.train;
  const std::int64_t first_window = (step - 1) * train.global_batch;
  const std::int64_t micro_batch = setup.world.rank() * local + j;
  StepState state;
  state.seed = train.seed;
  state.first_slot = static_cast<std::uint64_t>(first_window + micro_batch * train.micro_batch);
  state.step = step;
  state.learning_rate = static_cast<float>(setup.config.schedule.at(step));
  state.max_gradient_norm = static_cast<float>(setup.config.optimizer.max_gradient_norm);
  return state;
}

// All that the device is told of a step, and of the batch that it assembles for the next one.
void TrainingStep::State::fill(std::int64_t step, bool wish_to_stop) {
  const StepUpload upload = block.upload(step);
  const auto windows = static_cast<std::size_t>(setup.config.train.micro_batch);
  const SplitSum trained = SplitSum::of(std::exchange(next_samples, 0));
  for (std::int64_t j = 0; j < local; ++j) {
    const auto at = static_cast<std::size_t>(j);
    upload.states[at] = state_of(step, j);
    upload.next[at] = state_of(step + 1, j);
    const auto samples = upload.samples.subspan(at * windows, windows);
    setup.samples.samples(upload.next[at].first_slot, samples);
    next_samples += fingerprint_of(upload.next[at].first_slot, samples);
    if (setup.ops.device() != core::kCpu) {
      kernels::check_samples(setup.corpus.host(), samples, setup.config.tokens);
    }
  }
  upload.states.back() = state_of(step, 0);
  std::ranges::fill(upload.base, 0.0);
  upload.base[kStop] = wish_to_stop ? 1.0 : 0.0;
  upload.base[kSamples] = trained.low;
  upload.base[kSamples + 1] = trained.high;
}

// As if step `begun` had ended here.
void TrainingStep::State::prime() {
  fill(begun, false);
  block.send(begun, setup.stream);
  core::copy(block.updates(), core::ConstView(&progress.updates, {1}), setup.stream);
  work.prime();
  setup.stream.synchronize();
  primed = true;
}

// The first step chooses algorithms and takes what ops keep; from then on every step is the same.
void TrainingStep::State::queue() {
  const bool records = setup.config.train.graph && core::Graph::records(setup.ops.device());
  if (trace != nullptr) {
    queue_traced();
  } else if (!records || run_here == 0) {
    work.step(recording);
  } else {
    if (!recording.recorded()) recording.record([this] { work.step(recording); });
    recording.replay();
  }
  work.step_queued();
}

// Outside of graphs: what is in one has no marks of its own.
void TrainingStep::State::queue_traced() {
  kernels::Profile calls;
  setup.ops.watch(&calls);
  const std::string name = fmt::format("step {}", begun + 1);
  traced(trace, name.c_str(), setup.stream, [&] { work.step(recording); });
  trace->add(calls.take_calls());
  setup.ops.watch(nullptr);
}

StepReport TrainingStep::State::collect() {
  const std::int64_t step = progress.step + 1;
  marks_of(step).end.synchronize();
  const StepOutcome outcome = block.outcome(step);
  const bool skipped = outcome.update->skipped != 0;
  progress.step = step;
  progress.updates += skipped ? 0 : 1;
  progress.skipped += skipped ? 1 : 0;
  const SplitSum samples{outcome.message[kSamples], outcome.message[kSamples + 1]};
  progress.fingerprint = rolled(progress.fingerprint, samples.value());
  StepReport done = report(step, outcome);
  if (ahead > 0) timings.add(Part::device, done.seconds);
  return done;
}

// A step that was queued while the one before ran begins where that one ended.
double TrainingStep::State::seconds_of(std::int64_t step) {
  const core::Mark& begin = step == fresh ? marks_of(step).begin : marks_of(step - 1).end;
  return marks_of(step).end.seconds_since(begin);
}

StepReport TrainingStep::State::report(std::int64_t step, const StepOutcome& outcome) {
  StepReport report;
  report.step = step;
  report.learning_rate = setup.config.schedule.at(step);
  report.dna = totals(outcome, kDnaTotals);
  report.state = totals(outcome, kStateTotals);
  report.loss =
      setup.config.dna_weight * report.dna.loss() + setup.config.state_weight * report.state.loss();
  report.gradient_norm = std::sqrt(outcome.update->gradient_sum_squares);
  report.skipped = outcome.update->skipped != 0;
  report.stop = outcome.message[kStop] > 0.0;
  report.samples = progress.fingerprint;
  report.seconds = seconds_of(step);
  if (step == begun) report.exchange = work.exchange();
  return report;
}

TrainingStep::TrainingStep(const StepSetup& setup) {
  dist::agree(setup.world, [&] { state_ = std::make_unique<State>(setup); });
  // All ranks have come this far: shared memory is made together.
  core::Tensor gradients =
      setup.world.reducible(core::DType::f32, state_->work.room(), setup.ops.device());
  core::Tensor wire;  // of gradients that travel rounded
  if (setup.world.size() > 1 && setup.config.train.exchange_precision == core::DType::bf16) {
    wire = setup.world.reducible(core::DType::bf16, gradients.view().size(), setup.ops.device());
  }
  core::Tensor parameters;  // that ranks of a host gather where they lie
  if (shards(setup.config.train, setup.world.size()) && setup.ops.device() == core::kCpu) {
    parameters = setup.world.reducible(core::DType::f32, gradients.view().size(), core::kCpu);
  }
  dist::agree(setup.world, [&] {
    state_->work.sum_in(std::move(gradients), std::move(wire), std::move(parameters));
  });
}

void TrainingStep::exchange_in(std::size_t bucket_bytes) {
  core::require(state_->begun == 0, "buckets are chosen before the first step");
  dist::agree(state_->setup.world, [&] { state_->work.exchange_in(bucket_bytes); });
}

TrainingStep::~TrainingStep() {
  if (!state_) return;
  try {
    state_->setup.stream.synchronize();
  } catch (const core::Error&) {  // of work that nobody waits for any more
  }
}

std::optional<StepReport> TrainingStep::run(bool wish_to_stop) {
  State& s = *state_;
  if (!s.primed) s.prime();
  const std::int64_t step = s.begun + 1;
  if (s.begun == s.progress.step) s.fresh = step;
  StepMarks& marks = s.marks_of(step);
  marks.begin.set(s.setup.stream);
  s.fill(step, wish_to_stop);
  s.block.send(step, s.setup.stream);
  s.queue();
  s.block.receive(step, s.setup.stream);
  marks.end.set(s.setup.stream);
  s.begun = step;
  ++s.run_here;
  if (s.begun - s.progress.step <= s.ahead) return std::nullopt;
  return s.collect();
}

std::optional<StepReport> TrainingStep::drain() {
  std::optional<StepReport> last;
  if (state_->begun != state_->progress.step) last = state_->collect();
  state_->work.settle();
  return last;
}

std::int64_t TrainingStep::begun() const {
  return state_->begun;
}

void TrainingStep::watch(Trace* trace) {
  core::require(state_->begun == state_->progress.step, "no step is under way as traces change");
  state_->trace = trace;
  state_->work.watch(trace);
  if (trace == nullptr) return state_->timings.watch({});
  state_->timings.watch(
      [trace](Part part, Timings::Clock::time_point begin, Timings::Clock::time_point end) {
        // Parts of steps are on their own line.
        if (!in_step(part)) trace->add(Track::host, name_of(part), begin, end);
      });
}

const RunProgress& TrainingStep::progress() const {
  return state_->progress;
}

void TrainingStep::snapshot(const TrainingBlocks& host) {
  core::require(state_->begun == state_->progress.step, "no step is under way at a snapshot");
  state_->work.save(host);
}

void TrainingStep::restore(const TrainingBlocks& host, const RunProgress& progress) {
  core::require(state_->begun == state_->progress.step, "no step is under way at a restore");
  state_->work.load(host);
  state_->progress = progress;
  state_->begun = progress.step;
  // The prepared batch belongs to the step before: assemble anew.
  state_->primed = false;
}

model::ParameterBlocks TrainingStep::parameters() const {
  core::require(state_->work.settled(), "parameters are read after drain");
  return state_->work.weights().blocks();
}

model::MaskedModel& TrainingStep::model() {
  return state_->work.model();
}
const model::ParameterTable& TrainingStep::table() const {
  return state_->work.model().table();
}
Timings& TrainingStep::timings() {
  return state_->timings;
}

StepMemory TrainingStep::memory() const {
  const StepWork& work = state_->work;
  const bool host = state_->setup.ops.device() == core::kCpu;
  const auto footprint = [&](std::size_t bytes) {
    return host ? core::host_footprint(bytes) : bytes;
  };
  const std::size_t block = work.weights().exact_bytes();
  return {.parameters = footprint(block),
          .gradients = work.gradient_bytes() / block * footprint(block),
          .moments = 2 * footprint(work.moment_bytes() / 2),
          .weights = footprint(work.weights().copy_bytes()),
          .activations = footprint(work.model().activation_bytes()),
          .batches = work.batch_bytes()};
}

bool TrainingStep::parameters_finite() {
  core::Stream& stream = state_->setup.stream;
  const core::Tensor sum(core::DType::f64, {1}, state_->setup.ops.device());
  state_->setup.ops.sum_squares({.in = state_->work.weights().exact(), .out = sum}, stream);
  return std::isfinite(read<double>(sum, stream));
}

}  // namespace epi::train
