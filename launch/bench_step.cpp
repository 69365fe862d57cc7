#include "bench_step.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "bench_corpus.hpp"
#include "bench_machine.hpp"
#include "bench_trained.hpp"
#include "core/buffer.hpp"
#include "core/error.hpp"
#include "core/philox.hpp"
#include "dist/communicator.hpp"
#include "kernels/ops.hpp"
#include "model/masked_model.hpp"
#include "train/timings.hpp"

namespace epi::launch {
namespace {

using core::DType;
using core::Tensor;
using train::Part;
using train::Timings;

constexpr std::uint64_t kSeed = 1;
model::BatchShape shape_of(const BenchOptions& options, const kernels::TokenSpec& tokens,
                           const kernels::MaskSpec& masks) {
  return {options.batch, options.tokens, kernels::dna_slots(tokens, masks),
          kernels::state_slots(tokens, masks, SyntheticCorpus::kBinBp)};
}

/// What one step took, and of that each op.
struct Step {
  Timings timings;
  std::vector<PhaseProfile> phases;
};

/// Everything that one step needs, allocated once.
class Bench {
 public:
  explicit Bench(const BenchOptions& options)
      : options_(options),
        tokens_{6, 6, options.tokens},
        ops_(kernels::make_cpu_ops(options.threads)),
        precision_(precision_of(options.precision, *ops_)),
        model_(bench_model(options, tokens_), shape_of(options, tokens_, masks_), *ops_,
               {.activations = precision_.activations, .recompute = options.recompute}),
        batch_(model_.shape(), core::kCpu),
        corpus_(tokens_.window_bp() * options.batch),
        corpus_view_(corpus_.view()),
        parameters_(DType::f32, {size()}),
        totals_(DType::f64, {2, 3}),
        counts_(DType::i64, {kernels::kNumCounts}),
        slices_(model_.table().slices()) {
    model::initialise(model_.table(), kSeed, model_.config().initial_deviation, parameters_);
    for (std::int64_t row = 0; row < options.batch; ++row) {
      samples_.push_back({{0, row * tokens_.window_bp()}, 0, core::Strand::forward, 0});
    }
    state_.seed = kSeed;
    state_.max_gradient_norm = 1.0F;
    state_.learning_rate = 1e-4F;
    if (options.pass == Pass::forward) return;
    gradients_ = Tensor(DType::f32, {size()});
    model_.borrow(gradients_);
    moment1_ = Tensor(DType::f32, {size()});
    moment2_ = Tensor(DType::f32, {size()});
  }

  [[nodiscard]] const kernels::Ops& ops() const { return *ops_; }
  [[nodiscard]] const train::PrecisionChoice& precision() const { return precision_; }
  [[nodiscard]] const model::MaskedModel& model() const { return model_; }
  [[nodiscard]] std::int64_t size() const { return model_.table().block_size(); }
  /// Loss of the last step: nats per hidden token plus nats per hidden bin.
  [[nodiscard]] double loss() const {
    const auto* sums = totals_.as<double>();
    return sums[0] / std::max(sums[1], 1.0) + sums[3] / std::max(sums[4], 1.0);
  }

  Step step() {
    Step step;
    measure(step, Part::assemble, [&] { assemble(); });
    measure(step, Part::forward, [&] { forward(); });
    if (options_.pass == Pass::forward) return step;
    measure(step, Part::backward,
            [&] { model_.backward(batch_, parameters_, &state_, gradients_, {}, stream_); });
    measure(step, Part::exchange, [&] {
      world_->start(dist::Reduce::sum, gradients_, core::Event::record(stream_)).wait(stream_);
    });
    measure(step, Part::update, [&] { update(); });
    return step;
  }

 private:
  template <class Body>
  void measure(Step& step, Part part, const Body& body) {
    kernels::Profile profile;
    if (options_.profile) ops_->watch(&profile);
    step.timings.measure(part, body);
    ops_->watch(nullptr);
    step.phases.push_back({train::name_of(part), step.timings.seconds(part), profile});
  }

  void assemble() {
    core::fill_zero(counts_, stream_);
    state_.step += 1;
    state_.first_slot = static_cast<std::uint64_t>(state_.step * options_.batch);
    kernels::AssembleArgs args = batch_.operands();
    args.corpus = &corpus_view_;
    args.samples = samples_;
    args.tokens = tokens_;
    args.masks = masks_;
    args.state = &state_;
    args.counts = counts_;
    ops_->assemble(args, stream_);
  }

  void forward() {
    for (std::size_t term = 0; term < 2; ++term) {
      const auto targets = static_cast<float>(counts_.as<std::int64_t>()[term]);
      state_.loss_scale[term] = targets > 0.0F ? 1.0F / targets : 0.0F;
    }
    core::fill_zero(totals_, stream_);
    model::LossOutputs losses;
    losses.dna_totals = totals_.view().slice(0, 3);
    losses.state_totals = totals_.view().slice(3, 3);
    model_.forward(batch_, parameters_, &state_, true, losses, {}, stream_);
  }

  void update() {
    state_.bias_correction1 = 1.0F - std::pow(0.9F, static_cast<float>(state_.step));
    state_.bias_correction2 = 1.0F - std::pow(0.98F, static_cast<float>(state_.step));
    ops_->sum_squares({gradients_, core::View(&state_.gradient_sum_squares, {1})}, stream_);
    ops_->update({.slices = slices_,
                  .parameters = parameters_,
                  .gradients = gradients_,
                  .moment1 = moment1_,
                  .moment2 = moment2_,
                  .state = &state_},
                 stream_);
    stream_.synchronize();
  }

  BenchOptions options_;
  kernels::TokenSpec tokens_;
  kernels::MaskSpec masks_;
  core::Stream stream_{core::kCpu};
  std::unique_ptr<dist::Communicator> world_ = dist::make_solo();
  std::unique_ptr<kernels::Ops> ops_;
  train::PrecisionChoice precision_;
  model::MaskedModel model_;
  model::Batch batch_;
  SyntheticCorpus corpus_;
  core::CorpusView corpus_view_;
  Tensor parameters_, gradients_, moment1_, moment2_;  ///< all but the first absent in forward only
  Tensor totals_, counts_;
  std::vector<kernels::ParameterSlice> slices_;
  std::vector<core::SampleRef> samples_;
  kernels::StepState state_;
};

/// The timed steps from the fastest to the slowest. Peaks are measured
/// between them, from registers, so that they see the same neighbours.
std::vector<Step> timed_steps(Bench& bench, std::int64_t warmup, std::int64_t count, Roofs& roofs) {
  for (std::int64_t i = 0; i < warmup; ++i) static_cast<void>(bench.step());
  std::vector<Step> steps;
  for (std::int64_t i = 0; i < count; ++i) {
    steps.push_back(bench.step());
    roofs.measure_again();
  }
  std::sort(steps.begin(), steps.end(), [](const Step& a, const Step& b) {
    return a.timings.step_seconds() < b.timings.step_seconds();
  });
  return steps;
}

/// Forward and backward are 6 N and 12 L H T, forward alone a third of each.
double model_flops(const Bench& bench, const BenchOptions& options) {
  const double all = model::flops_per_token(bench.model().config(), bench.model().shape());
  return options.pass == Pass::forward ? all / 3.0 : all;
}

/// The parts of a step one after another, each with its time on the host.
BenchResult bench_parts(const BenchOptions& options, const core::Log& log) {
  Bench bench(options);
  BenchResult result;
  result.threads = threads_of(bench.ops());
  result.roofs = std::make_shared<Roofs>(make_cpu_roofs(result.threads));
  log.info("{}", bench.precision().line);
  log.info("synthetic windows, {} in {} on {}; one step to warm up, {} timed", options.model,
           bench.precision().name, bench.ops().description(), options.steps);
  const std::vector<Step> steps = timed_steps(bench, options.warmup, options.steps, *result.roofs);
  const Step& median = steps[steps.size() / 2];
  result.peak_memory_mib = peak_memory_mib();  // before memory's roofs take some

  result.kernels = bench.ops().description();
  result.precision = bench.precision().name;
  result.parameters = bench.model().table().num_parameters();
  result.activation_mib = std::ldexp(static_cast<double>(bench.model().activation_bytes()), -20);
  result.loss = bench.loss();
  result.step_s = median.timings.step_seconds();
  result.best_s = steps.front().timings.step_seconds();
  result.tokens_per_s = static_cast<double>(options.batch * options.tokens) / result.step_s;
  result.gflop_per_s = 1e-9 * result.tokens_per_s * model_flops(bench, options);
  result.peak_gflop_per_s = 1e-9 * result.roofs->peak(bench.precision().activations);
  result.nominal_gflop_per_s = result.peak_gflop_per_s;
  result.phases = median.phases;
  return result;
}

}  // namespace

model::ModelConfig bench_model(const BenchOptions& options, const kernels::TokenSpec& tokens) {
  model::ModelConfig config = model::preset(options.model);
  config.vocabulary = tokens.vocabulary();
  config.num_states = SyntheticCorpus::kStates;
  config.positions = std::max(config.positions, options.tokens);
  config.dropout = static_cast<float>(options.dropout);
  return config;
}

BenchResult bench_step(const BenchOptions& options, const core::Log& log) {
  if (!options.as_trained) return bench_parts(options, log);
  if (options.pass == Pass::forward) {
    throw core::UsageError("--forward times a pass alone: give --device cpu, without --as-trained");
  }
  return bench_trained(options, log);
}

}  // namespace epi::launch
