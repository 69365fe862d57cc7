#include "train/training_step.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "dist/gradient_buckets.hpp"
#include "train/gradient_tree.hpp"
#include "train/schedule.hpp"

namespace epi::train {
namespace {

using core::View;
using kernels::StepState;

// A bucket is large enough to use the network well and small enough to start early.
constexpr std::size_t kBucketBytes = std::size_t{8} << 20U;

// The message that ends a step: f64, summed over the ranks.
enum Slot : std::size_t {
  kDnaTotals = 0,    // 3: nll, targets, correct of this step, by weight
  kStateTotals = 3,  // 3
  kNextDna = 6,      // targets of the next step
  kNextState = 7,
  kNextRepeats = 8,  // of the DNA targets, those in repeats
  kStop = 9,         // ranks that wish to stop
  kNumSlots = 10,
};

double seconds_since(Timings::Clock::time_point start) {
  return std::chrono::duration<double>(Timings::Clock::now() - start).count();
}

}  // namespace

ObjectiveTotals& ObjectiveTotals::operator+=(const ObjectiveTotals& other) {
  nll += other.nll;
  targets += other.targets;
  correct += other.correct;
  return *this;
}

model::BatchShape batch_shape(const RunConfig& config, std::int32_t bin_bp) {
  model::BatchShape shape;
  shape.batch = config.train.micro_batch;
  shape.tokens = config.tokens.length;
  if (config.dna_weight > 0.0) shape.dna_slots = kernels::dna_slots(config.tokens, config.masks);
  if (config.state_weight > 0.0) {
    shape.state_slots = kernels::state_slots(config.tokens, config.masks, bin_bp);
  }
  return shape;
}

struct TrainingStep::State {
  explicit State(const StepSetup& s);

  /// The other half of the construction: `gradients` is memory that the ranks share.
  void sum_in(core::Tensor gradients);
  void assemble();
  void set_scales();
  void compute();
  void backward_last(std::size_t j);
  void update();
  void exchange_totals(bool wish_to_stop);
  [[nodiscard]] StepReport report() const;
  [[nodiscard]] ObjectiveTotals totals(Slot slot) const;
  [[nodiscard]] View totals_view(Slot slot) { return View(&message.at(slot), {3}); }
  [[nodiscard]] StepState& update_state() { return states.back(); }

  StepSetup setup;
  std::int64_t local;  // micro-batches of this rank
  model::MaskedModel model;
  core::Tensor parameters, moment1, moment2;
  std::vector<kernels::ParameterSlice> slices;
  std::optional<GradientTree> tree;
  std::optional<dist::GradientBuckets> buckets;
  std::vector<model::Batch> batches;     // of the next step
  std::vector<core::SampleRef> samples;  // of one micro-batch
  std::vector<StepState> states;         // one per micro-batch, then the update's
  std::array<double, kNumSlots> message{};
  std::array<double, 2> targets{};  // of the step to run, by weight: DNA, states
  bool primed = false;
  RunProgress progress;
  Timings timings;
};

TrainingStep::State::State(const StepSetup& s)
    : setup(s),
      local(s.config.train.micro_batches() / s.world.size()),
      model(s.model, batch_shape(s.config, s.corpus.bin_bp), s.ops, s.execution),
      parameters(core::DType::f32, {model.table().block_size()}, s.ops.device()),
      moment1(core::DType::f32, {model.table().block_size()}, s.ops.device()),
      moment2(core::DType::f32, {model.table().block_size()}, s.ops.device()),
      slices(model.table().slices()),
      samples(static_cast<std::size_t>(s.config.train.micro_batch)),
      states(static_cast<std::size_t>(local) + 1) {
  for (std::int64_t j = 0; j < local; ++j) batches.emplace_back(model.shape(), s.ops.device());
  for (StepState& state : states) {
    state.seed = s.config.train.seed;
    state.max_gradient_norm = static_cast<float>(s.config.optimizer.max_gradient_norm);
  }
  model::initialise(model.table(), s.config.train.seed, s.model.initial_deviation, parameters);
}

void TrainingStep::State::sum_in(core::Tensor gradients) {
  tree.emplace(local, std::move(gradients), setup.ops);
  // Sums of several micro-batches wait in the tree while the next forward runs.
  if (local == 1) model.borrow(tree->result());
  buckets.emplace(setup.world, tree->result(), kBucketBytes,
                  [this](std::int64_t first, std::int64_t count) {
                    tree->add_last(first, count, setup.stream);
                  });
}

// Micro-batches of step progress.step + 1, and how many targets they hold.
void TrainingStep::State::assemble() {
  std::array<std::int64_t, kernels::kNumCounts> counts{};
  const RunConfig& config = setup.config;
  const std::int64_t first_slot = progress.step * config.train.global_batch +
                                  setup.world.rank() * local * config.train.micro_batch;
  for (std::size_t j = 0; j < batches.size(); ++j) {
    states[j].first_slot =
        static_cast<std::uint64_t>(first_slot) + j * static_cast<std::uint64_t>(samples.size());
    setup.samples.samples(states[j].first_slot, samples);
    kernels::AssembleArgs args = batches[j].operands();
    args.corpus = &setup.corpus;
    args.samples = samples;
    args.tokens = config.tokens;
    args.masks = config.masks;
    args.state = &states[j];
    args.counts = View(counts.data(), {kernels::kNumCounts});
    setup.ops.assemble(args, setup.stream);
  }
  setup.stream.synchronize();
  message[kNextDna] = static_cast<double>(counts[kernels::kDnaTargets]);
  message[kNextState] = static_cast<double>(counts[kernels::kStateTargets]);
  message[kNextRepeats] = static_cast<double>(counts[kernels::kRepeatTargets]);
}

// Everything that ops read through StepState and that this step changes.
void TrainingStep::State::set_scales() {
  const auto scale = [](double weight, double count) {
    return count > 0.0 ? static_cast<float>(weight / count) : 0.0F;
  };
  const RunConfig& config = setup.config;
  const std::int64_t step = progress.step + 1;
  for (StepState& state : states) {
    state.step = step;
    state.loss_scale = {scale(config.dna_weight, targets[0]),
                        scale(config.state_weight, targets[1]), 0.0F};
    state.learning_rate = static_cast<float>(config.schedule.at(step));
    state.bias_correction1 =
        static_cast<float>(bias_correction(config.optimizer.beta1, progress.updates + 1));
    state.bias_correction2 =
        static_cast<float>(bias_correction(config.optimizer.beta2, progress.updates + 1));
  }
}

void TrainingStep::State::compute() {
  const model::BatchShape& shape = model.shape();
  model::LossOutputs losses;
  if (shape.dna_slots > 0) losses.dna_totals = totals_view(kDnaTotals);
  if (shape.state_slots > 0) losses.state_totals = totals_view(kStateTotals);
  for (std::size_t j = 0; j < batches.size(); ++j) {
    timings.measure(Part::forward, [&] {
      model.forward(batches[j], parameters, &states[j], /*training=*/true, losses, {},
                    setup.stream);
    });
    if (j + 1 == batches.size()) return backward_last(j);
    const auto leaf = static_cast<std::int64_t>(j);
    timings.measure(Part::backward, [&] {
      model.backward(batches[j], parameters, &states[j], tree->leaf(leaf), {}, setup.stream);
      tree->add(leaf, setup.stream);
    });
  }
}

// The last micro-batch completes gradients from the block's end on: each bucket is merged and its
// exchange started while the rest is computed.
void TrainingStep::State::backward_last(std::size_t j) {
  const auto start = Timings::Clock::now();
  model::BlockHooks hooks;
  hooks.gradients_done = [this](std::int64_t offset) { buckets->done_from(offset, setup.stream); };
  // Runs hooks as it goes, so most of the exchange is over when it returns.
  model.backward(batches[j], parameters, &states[j], tree->leaf(local - 1), hooks, setup.stream);
  const dist::ExchangeStatistics exchange = buckets->finish(setup.stream);
  // What the exchange hid behind backward counts as backward.
  timings.add(Part::backward, seconds_since(start) - exchange.exposed_s);
  timings.add(Part::exchange, exchange.exposed_s);
}

void TrainingStep::State::update() {
  const OptimizerConfig& optimizer = setup.config.optimizer;
  StepState& state = update_state();
  setup.ops.sum_squares({.in = tree->result(), .out = View(&state.gradient_sum_squares, {1})},
                        setup.stream);
  setup.ops.update({.slices = slices,
                    .parameters = parameters,
                    .gradients = tree->result(),
                    .moment1 = moment1,
                    .moment2 = moment2,
                    .beta1 = static_cast<float>(optimizer.beta1),
                    .beta2 = static_cast<float>(optimizer.beta2),
                    .epsilon = static_cast<float>(optimizer.epsilon),
                    .weight_decay = static_cast<float>(optimizer.weight_decay),
                    .state = &state},
                   setup.stream);
  setup.stream.synchronize();
  ++progress.step;
  progress.updates += state.skipped == 0 ? 1 : 0;
  progress.skipped += state.skipped == 0 ? 0 : 1;
}

void TrainingStep::State::exchange_totals(bool wish_to_stop) {
  message[kStop] = wish_to_stop ? 1.0 : 0.0;
  const View view(message.data(), {static_cast<std::int64_t>(message.size())});
  setup.world.start(dist::Reduce::sum, view, core::Event::record(setup.stream)).wait(setup.stream);
  // The sum of DNA weights comes from whole numbers, so its bits depend on no order.
  const double repeats = message[kNextRepeats];
  const auto weight = static_cast<double>(setup.config.masks.weight_in_repeats());
  targets = {message[kNextDna] - repeats + weight * repeats, message[kNextState]};
}

ObjectiveTotals TrainingStep::State::totals(Slot slot) const {
  return {message.at(slot), message.at(slot + 1U), message.at(slot + 2U)};
}

StepReport TrainingStep::State::report() const {
  const StepState& state = states.back();
  StepReport report;
  report.step = progress.step;
  report.learning_rate = setup.config.schedule.at(progress.step);
  report.dna = totals(kDnaTotals);
  report.state = totals(kStateTotals);
  report.loss =
      setup.config.dna_weight * report.dna.loss() + setup.config.state_weight * report.state.loss();
  report.gradient_norm = std::sqrt(state.gradient_sum_squares);
  report.skipped = state.skipped != 0;
  report.stop = message[kStop] > 0.0;
  return report;
}

TrainingStep::TrainingStep(const StepSetup& setup) {
  dist::agree(setup.world, [&] { state_ = std::make_unique<State>(setup); });
  // All ranks have come this far: shared memory is made together.
  core::Tensor gradients = setup.world.reducible(
      core::DType::f32, state_->model.table().block_size(), setup.ops.device());
  dist::agree(setup.world, [&] { state_->sum_in(std::move(gradients)); });
}
TrainingStep::~TrainingStep() = default;

StepReport TrainingStep::run(bool wish_to_stop) {
  State& s = *state_;
  if (!s.primed) {
    s.message = {};
    s.timings.measure(Part::assemble, [&] { s.assemble(); });
    s.timings.measure(Part::exchange, [&] { s.exchange_totals(false); });
    s.primed = true;
  }
  s.message = {};
  // Loss scales need the targets of all ranks, which came with the last exchange.
  s.set_scales();
  s.compute();
  s.timings.measure(Part::update, [&] { s.update(); });
  if (s.progress.step < s.setup.config.train.steps) {
    s.timings.measure(Part::assemble, [&] { s.assemble(); });
  }
  s.timings.measure(Part::exchange, [&] { s.exchange_totals(wish_to_stop); });
  return s.report();
}

const RunProgress& TrainingStep::progress() const {
  return state_->progress;
}

void TrainingStep::restore(const RunProgress& progress) {
  state_->progress = progress;
  // The prepared batch belongs to the step before: assemble anew.
  state_->primed = false;
}

TrainingBlocks TrainingStep::blocks() const {
  return {state_->parameters, state_->moment1, state_->moment2};
}

model::MaskedModel& TrainingStep::model() {
  return state_->model;
}
const model::ParameterTable& TrainingStep::table() const {
  return state_->model.table();
}
Timings& TrainingStep::timings() {
  return state_->timings;
}

StepMemory TrainingStep::memory() const {
  const State& s = *state_;
  const std::size_t block = s.parameters.view().bytes();
  const std::size_t gradients = s.tree->bytes() / block;
  StepMemory memory{.parameters = core::host_footprint(block),
                    .gradients = gradients * core::host_footprint(block),
                    .moments = 2 * core::host_footprint(block),
                    .activations = core::host_footprint(s.model.activation_bytes())};
  for (const model::Batch& batch : s.batches) memory.batches += batch.bytes();
  return memory;
}

bool TrainingStep::parameters_finite() {
  double sum = 0.0;
  state_->setup.ops.sum_squares({.in = state_->parameters, .out = View(&sum, {1})},
                                state_->setup.stream);
  state_->setup.stream.synchronize();
  return std::isfinite(sum);
}

}  // namespace epi::train
