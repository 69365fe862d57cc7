#include "train/validation.hpp"

#include <algorithm>
#include <array>
#include <numbers>
#include <vector>

#include "core/buffer.hpp"

namespace epi::train {
namespace {

using core::View;

/// The message that sums scores over the ranks: f64, three totals per objective.
enum Slot : std::size_t { kDna = 0, kState = 3, kHiddenBases = 6, kSamples = 7, kNumSlots = 8 };

template <class T>
std::span<const T> span_of(const core::Tensor& tensor) {
  if (!tensor.view()) return {};
  return {tensor.as<T>(), static_cast<std::size_t>(tensor.view().size())};
}

core::Tensor rows(core::DType type, std::int64_t count, core::Device device) {
  return count > 0 ? core::Tensor(type, {count}, device) : core::Tensor();
}

}  // namespace

kernels::MaskSpec evaluation_masks(kernels::MaskSpec masks) {
  masks.mask_share = 1.0F;
  masks.random_share = 0.0F;
  masks.state_dropout = 0.0F;
  masks.repeats = kernels::Repeats::keep;
  return masks;
}

double MaskedScores::bits_per_base() const {
  return hidden_bases > 0.0 ? dna.nll / hidden_bases / std::numbers::ln2 : 0.0;
}

struct Validator::State {
  explicit State(const ValidatorSetup& s);
  void assemble(const data::SampleSource& source, std::int64_t first, std::int64_t used);
  void score(const core::ConstView& parameters);
  [[nodiscard]] MaskedScores summed();

  ValidatorSetup setup;
  model::Batch batch;
  core::Tensor dna_row_loss, dna_predicted, state_row_loss, state_predicted;
  std::vector<core::SampleRef> samples;
  kernels::StepState step;
  std::array<double, kNumSlots> message{};
};

Validator::State::State(const ValidatorSetup& s)
    : setup(s),
      batch(s.model.shape(), s.ops.device()),
      samples(static_cast<std::size_t>(s.model.shape().batch)) {
  setup.masks = evaluation_masks(s.masks);
  step.seed = kEvaluationSeed;
  const model::BatchShape& shape = s.model.shape();
  const std::int64_t dna = shape.batch * shape.dna_slots;
  const std::int64_t state = shape.batch * shape.state_slots;
  dna_row_loss = rows(core::DType::f32, dna, s.ops.device());
  dna_predicted = rows(core::DType::i32, dna, s.ops.device());
  state_row_loss = rows(core::DType::f32, state, s.ops.device());
  state_predicted = rows(core::DType::i32, state, s.ops.device());
}

// A batch that the source does not fill is padded with rows of [PAD] and weight 0.
void Validator::State::assemble(const data::SampleSource& source, std::int64_t first,
                                std::int64_t used) {
  const std::span<core::SampleRef> refs(samples.data(), static_cast<std::size_t>(used));
  if (used < setup.model.shape().batch) batch.clear(setup.stream);
  step.first_slot = static_cast<std::uint64_t>(first);
  source.samples(step.first_slot, refs);
  std::array<std::int64_t, kernels::kNumCounts> counts{};
  kernels::AssembleArgs args = batch.operands(used);
  args.corpus = &setup.corpus;
  args.samples = refs;
  args.tokens = setup.tokens;
  args.masks = setup.masks;
  args.state = &step;
  args.counts = View(counts.data(), {kernels::kNumCounts});
  setup.ops.assemble(args, setup.stream);
  setup.stream.synchronize();
  message[kHiddenBases] += static_cast<double>(counts[kernels::kHiddenBases]);
  message[kSamples] += static_cast<double>(used);
}

void Validator::State::score(const core::ConstView& parameters) {
  model::LossOutputs losses;
  if (batch.dna_rows.view()) {
    losses.dna_totals = View(&message.at(kDna), {3});
    losses.dna_row_loss = dna_row_loss;
    losses.dna_predicted = dna_predicted;
  }
  if (batch.state_rows.view()) {
    losses.state_totals = View(&message.at(kState), {3});
    losses.state_row_loss = state_row_loss;
    losses.state_predicted = state_predicted;
  }
  setup.model.forward(batch, parameters, &step, /*training=*/false, losses, {}, setup.stream);
  setup.stream.synchronize();
}

MaskedScores Validator::State::summed() {
  const View view(message.data(), {static_cast<std::int64_t>(message.size())});
  setup.world.start(dist::Reduce::sum, view, core::Event::record(setup.stream)).wait(setup.stream);
  MaskedScores scores;
  scores.dna = {message[kDna], message[kDna + 1], message[kDna + 2]};
  scores.state = {message[kState], message[kState + 1], message[kState + 2]};
  scores.hidden_bases = message[kHiddenBases];
  scores.samples = static_cast<std::int64_t>(message[kSamples]);
  return scores;
}

Validator::Validator(const ValidatorSetup& setup) : state_(std::make_unique<State>(setup)) {}
Validator::~Validator() = default;

MaskedScores Validator::run(const data::SampleSource& source, const core::ConstView& parameters,
                            const OnScoredBatch& on_batch) {
  State& s = *state_;
  s.message = {};
  const std::int64_t count = source.epoch_size();
  const std::int64_t batch = s.setup.model.shape().batch;
  const std::int64_t batches = (count + batch - 1) / batch;
  const std::int64_t rank = s.setup.world.rank();
  const std::int64_t size = s.setup.world.size();
  for (std::int64_t b = batches * rank / size; b < batches * (rank + 1) / size; ++b) {
    const std::int64_t used = std::min(batch, count - b * batch);
    s.assemble(source, b * batch, used);
    s.score(parameters);
    if (!on_batch) continue;
    on_batch({.first_sample = b * batch,
              .samples = std::span(s.samples).first(static_cast<std::size_t>(used)),
              .batch = s.batch,
              .dna_row_loss = span_of<float>(s.dna_row_loss),
              .dna_predicted = span_of<std::int32_t>(s.dna_predicted),
              .state_row_loss = span_of<float>(s.state_row_loss),
              .state_predicted = span_of<std::int32_t>(s.state_predicted)});
  }
  return s.summed();
}

}  // namespace epi::train
