// A batch at a time, each waited for: what validation takes is small beside the steps in between.
#include "train/validation.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <numbers>
#include <optional>
#include <vector>

#include "core/buffer.hpp"

namespace epi::train {
namespace {

using core::DType;
using core::View;

/// What a batch adds to the scores: f64, three totals per objective. The message that sums them
/// over the ranks has these of all batches, each filled by one rank and 0 on the others, which is
/// exact; then every rank adds them in the order of batches. So scores are the same bits on any
/// number of ranks.
enum Slot : std::size_t { kDna = 0, kState = 3, kNumSlots = 6 };
/// Whole numbers, which sum exactly in any order; at the end of the message.
enum Count : std::size_t { kHiddenBases = 0, kSamples = 1, kNumCounts = 2 };

template <class T>
std::span<const T> span_of(const core::Tensor& tensor) {
  if (!tensor.view()) return {};
  return {tensor.as<T>(), static_cast<std::size_t>(tensor.view().size())};
}

core::Tensor rows(DType type, std::int64_t count, core::Device device) {
  return count > 0 ? core::Tensor(type, {count}, device) : core::Tensor();
}

/// A micro-batch with what a forward pass says of it.
struct Scores {
  Scores(const model::BatchShape& shape, core::Device device)
      : batch(shape, device),
        dna_row_loss(rows(DType::f32, shape.batch * shape.dna_slots, device)),
        dna_predicted(rows(DType::i32, shape.batch * shape.dna_slots, device)),
        state_row_loss(rows(DType::f32, shape.batch * shape.state_slots, device)),
        state_predicted(rows(DType::i32, shape.batch * shape.state_slots, device)) {}

  [[nodiscard]] std::array<const core::Tensor*, 12> tensors() const {
    return {&batch.token_ids,   &batch.type_ids,   &batch.dna_rows,     &batch.dna_labels,
            &batch.dna_weights, &batch.state_rows, &batch.state_labels, &batch.state_weights,
            &dna_row_loss,      &dna_predicted,    &state_row_loss,     &state_predicted};
  }

  model::Batch batch;
  core::Tensor dna_row_loss, dna_predicted, state_row_loss, state_predicted;
};

/// What `assemble` reads, and the sums, in memory of one device.
struct Cells {
  Cells(std::int64_t windows, core::Device device)
      : state(device, sizeof(kernels::StepState)),
        samples(device, static_cast<std::size_t>(windows) * sizeof(core::SampleRef)),
        totals(DType::f64, {kNumSlots}, device),
        counts(DType::i64, {kernels::kNumCounts}, device) {}

  core::Buffer state, samples;
  core::Tensor totals, counts;
};

/// Queues a copy of whatever lies at `from` in host memory.
void send(const core::Buffer& to, const void* from, std::size_t bytes, core::Stream& stream) {
  const auto count = static_cast<std::int64_t>(bytes);
  core::copy(to.view(DType::u8, {count}),
             core::ConstView(static_cast<const std::uint8_t*>(from), {count}), stream);
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
  void begin(std::int64_t batches);
  void assemble(const data::SampleSource& source, std::int64_t first, std::int64_t used);
  void score(std::int64_t number, const model::ParameterBlocks& parameters);
  void show(std::int64_t first, std::int64_t used, const OnScoredBatch& on_batch);
  [[nodiscard]] MaskedScores summed();

  ValidatorSetup setup;
  Scores scores;
  std::optional<Scores> shown;  // for the host, where the device is another
  Cells cells;
  std::vector<core::SampleRef> samples;
  kernels::StepState step;
  std::vector<double> message;  // totals by batch, then counts
  std::int64_t num_samples = 0;
};

Validator::State::State(const ValidatorSetup& s)
    : setup(s),
      scores(s.model.shape(), s.ops.device()),
      cells(s.model.shape().batch, s.ops.device()),
      samples(static_cast<std::size_t>(s.model.shape().batch)) {
  setup.masks = evaluation_masks(s.masks);
  step.seed = kEvaluationSeed;
  if (s.ops.device() != core::kCpu) shown.emplace(s.model.shape(), core::kCpu);
}

void Validator::State::begin(std::int64_t batches) {
  message.assign(static_cast<std::size_t>(batches) * kNumSlots + kNumCounts, 0.0);
  core::fill_zero(cells.counts, setup.stream);
  num_samples = 0;
}

// A batch that the source does not fill is padded with rows of [PAD] and weight 0.
void Validator::State::assemble(const data::SampleSource& source, std::int64_t first,
                                std::int64_t used) {
  const std::span<core::SampleRef> refs(samples.data(), static_cast<std::size_t>(used));
  if (used < setup.model.shape().batch) scores.batch.clear(setup.stream);
  step.first_slot = static_cast<std::uint64_t>(first);
  source.samples(step.first_slot, refs);
  kernels::check_samples(setup.corpus.host(), refs, setup.tokens);
  send(cells.state, &step, sizeof step, setup.stream);
  send(cells.samples, refs.data(), refs.size_bytes(), setup.stream);
  kernels::AssembleArgs args = scores.batch.operands(used);
  args.corpus = &setup.corpus.view();
  args.samples = {reinterpret_cast<const core::SampleRef*>(cells.samples.data()), refs.size()};
  args.tokens = setup.tokens;
  args.masks = setup.masks;
  args.state = reinterpret_cast<const kernels::StepState*>(cells.state.data());
  args.counts = cells.counts;
  setup.ops.assemble(args, setup.stream);
  num_samples += used;
}

void Validator::State::score(std::int64_t number, const model::ParameterBlocks& parameters) {
  core::fill_zero(cells.totals, setup.stream);
  model::LossOutputs losses;
  if (scores.batch.dna_rows.view()) {
    losses.dna_totals = cells.totals.view().slice(kDna, 3);
    losses.dna_row_loss = scores.dna_row_loss;
    losses.dna_predicted = scores.dna_predicted;
  }
  if (scores.batch.state_rows.view()) {
    losses.state_totals = cells.totals.view().slice(kState, 3);
    losses.state_row_loss = scores.state_row_loss;
    losses.state_predicted = scores.state_predicted;
  }
  setup.model.forward(scores.batch, parameters,
                      reinterpret_cast<const kernels::StepState*>(cells.state.data()),
                      /*training=*/false, losses, {}, setup.stream);
  core::copy(View(message.data() + number * std::int64_t{kNumSlots}, {kNumSlots}), cells.totals,
             setup.stream);
  setup.stream.synchronize();
}

void Validator::State::show(std::int64_t first, std::int64_t used, const OnScoredBatch& on_batch) {
  const Scores& seen = shown ? *shown : scores;
  if (shown) {
    const auto from = scores.tensors();
    const auto to = shown->tensors();
    for (std::size_t i = 0; i < to.size(); ++i) {
      if (to.at(i)->view()) core::copy(*to.at(i), *from.at(i), setup.stream);
    }
    setup.stream.synchronize();
  }
  on_batch({.first_sample = first,
            .samples = std::span(samples).first(static_cast<std::size_t>(used)),
            .batch = seen.batch,
            .dna_row_loss = span_of<float>(seen.dna_row_loss),
            .dna_predicted = span_of<std::int32_t>(seen.dna_predicted),
            .state_row_loss = span_of<float>(seen.state_row_loss),
            .state_predicted = span_of<std::int32_t>(seen.state_predicted)});
}

MaskedScores Validator::State::summed() {
  std::array<std::int64_t, kernels::kNumCounts> counts{};
  core::copy(View(counts.data(), {kernels::kNumCounts}), cells.counts, setup.stream);
  setup.stream.synchronize();
  const auto of_counts = message.end() - kNumCounts;
  of_counts[kHiddenBases] = static_cast<double>(counts[kernels::kHiddenBases]);
  of_counts[kSamples] = static_cast<double>(num_samples);
  const View view(message.data(), {static_cast<std::int64_t>(message.size())});
  setup.world.start(dist::Reduce::sum, view, core::Event()).wait(setup.stream);
  MaskedScores sums;
  for (auto at = message.begin(); at != of_counts; at += kNumSlots) {
    sums.dna += {at[kDna], at[kDna + 1], at[kDna + 2]};
    sums.state += {at[kState], at[kState + 1], at[kState + 2]};
  }
  sums.hidden_bases = of_counts[kHiddenBases];
  sums.samples = static_cast<std::int64_t>(of_counts[kSamples]);
  return sums;
}

Validator::Validator(const ValidatorSetup& setup) : state_(std::make_unique<State>(setup)) {}
Validator::~Validator() = default;

MaskedScores Validator::run(const data::SampleSource& source,
                            const model::ParameterBlocks& parameters,
                            const OnScoredBatch& on_batch) {
  State& s = *state_;
  const std::int64_t count = source.epoch_size();
  const std::int64_t batch = s.setup.model.shape().batch;
  const std::int64_t batches = (count + batch - 1) / batch;
  s.begin(batches);
  const std::int64_t rank = s.setup.world.rank();
  const std::int64_t size = s.setup.world.size();
  for (std::int64_t b = batches * rank / size; b < batches * (rank + 1) / size; ++b) {
    const std::int64_t used = std::min(batch, count - b * batch);
    s.assemble(source, b * batch, used);
    s.score(b, parameters);
    if (on_batch) s.show(b * batch, used, on_batch);
  }
  return s.summed();
}

}  // namespace epi::train
