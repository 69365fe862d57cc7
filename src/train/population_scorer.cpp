#include "train/population_scorer.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace epi::train {
namespace {

/// Operand `tensor` [B, x] of one row of the batch.
template <class T>
std::span<const T> row_of(const core::Tensor& tensor, std::int64_t row) {
  const std::int64_t width = tensor.view().shape(1);
  return {tensor.as<T>() + row * width, static_cast<std::size_t>(width)};
}

/// Appends the addresses of a tally's sums.
void list_sums(DnaTally& tally, std::vector<double*>& sums) {
  for (double* sum : {&tally.targets, &tally.hidden_bases, &tally.nats, &tally.correct}) {
    sums.push_back(sum);
  }
  for (double& baseline : tally.baselines) sums.push_back(&baseline);
}

void list_sums(StateTally& tally, std::vector<double*>& sums) {
  for (double* sum :
       {&tally.targets, &tally.nats, &tally.correct, &tally.differing, &tally.differing_correct}) {
    sums.push_back(sum);
  }
  for (auto* group :
       {&tally.baseline_nats, &tally.baseline_correct, &tally.baseline_differing_correct}) {
    for (double& baseline : *group) sums.push_back(&baseline);
  }
  for (double& count : tally.confusion) sums.push_back(&count);
}

}  // namespace

PopulationScorer::PopulationScorer(const ScorerSetup& setup, Population& population)
    : setup_(setup),
      population_(population),
      others_(static_cast<std::size_t>(setup.corpus.num_states) + 1) {
  population_.states.confusion.resize(static_cast<std::size_t>(setup.corpus.num_states) *
                                      static_cast<std::size_t>(setup.corpus.num_states));
}

void PopulationScorer::add(const ScoredBatch& batch) {
  for (std::size_t row = 0; row < batch.samples.size(); ++row) {
    core::require(batch.samples[row].strand == core::Strand::forward,
                  "evaluation samples lie on the forward strand");
    see_window(batch, static_cast<std::int64_t>(row));
    if (batch.batch.dna_rows.view()) add_dna(batch, static_cast<std::int64_t>(row));
    if (batch.batch.state_rows.view()) add_states(batch, static_cast<std::int64_t>(row));
    ++population_.samples;
  }
}

// A base is hidden when no token that covers it is shown.
void PopulationScorer::see_window(const ScoredBatch& batch, std::int64_t row) {
  const core::WindowRef& window = batch.samples[static_cast<std::size_t>(row)].window;
  const auto& segment = setup_.corpus.segments[static_cast<std::size_t>(window.segment)];
  const std::uint8_t* first = segment.bases + window.offset_bp;
  bases_.assign(first, first + setup_.tokens.window_bp());
  codes_.resize(bases_.size());
  std::transform(bases_.begin(), bases_.end(), codes_.begin(), [](std::uint8_t code) {
    return static_cast<std::uint8_t>(code & core::kBaseMask);
  });
  hidden_.assign(bases_.size(), 1);
  const auto tokens = row_of<std::int32_t>(batch.batch.token_ids, row);
  for (std::int32_t i = 0; i < setup_.tokens.dna_tokens(); ++i) {
    if (tokens[static_cast<std::size_t>(i) + 1] == kernels::kMask) continue;
    std::fill_n(hidden_.begin() + std::int64_t{i} * setup_.tokens.stride, setup_.tokens.k,
                std::uint8_t{0});
  }
}

void PopulationScorer::add_dna(const ScoredBatch& batch, std::int64_t row) {
  const auto rows = row_of<std::int32_t>(batch.batch.dna_rows, row);
  const auto labels = row_of<std::int32_t>(batch.batch.dna_labels, row);
  const auto weights = row_of<float>(batch.batch.dna_weights, row);
  const auto slots = static_cast<std::int64_t>(rows.size());
  const double targets = static_cast<double>(std::count(weights.begin(), weights.end(), 1.0F));
  const double hidden = static_cast<double>(std::count(hidden_.begin(), hidden_.end(), 1));
  for (std::int64_t slot = 0; slot < slots; ++slot) {
    const auto at = static_cast<std::size_t>(slot);
    if (weights[at] == 0.0F) continue;
    const std::int64_t first =
        (rows[at] - row * setup_.tokens.length - 1) * std::int64_t{setup_.tokens.stride};
    const std::int64_t soft =
        std::count_if(bases_.begin() + first, bases_.begin() + first + setup_.tokens.k,
                      [](std::uint8_t code) { return (code & core::kSoftMasked) != 0; });
    DnaTally& tally = 2 * soft > setup_.tokens.k ? population_.repeats : population_.unique;
    const auto scored = static_cast<std::size_t>(row * slots + slot);
    tally.targets += 1.0;
    // Each target carries its share, so that repeats and unique add up to the window's bases.
    tally.hidden_bases += hidden / targets;
    tally.nats += static_cast<double>(batch.dna_row_loss[scored]);
    tally.correct += batch.dna_predicted[scored] == labels[at] ? 1.0 : 0.0;
    const DnaScores scores = setup_.dna.score({codes_, hidden_}, first);
    for (std::size_t i = 0; i < scores.size(); ++i) tally.baselines.at(i) += scores.at(i);
  }
}

void PopulationScorer::count_others(const core::SampleRef& sample, std::int64_t token) {
  const auto& segment = setup_.corpus.segments[static_cast<std::size_t>(sample.window.segment)];
  const std::int64_t centre =
      sample.window.offset_bp + setup_.tokens.centre_bp(static_cast<std::int32_t>(token) - 1);
  std::fill(others_.begin(), others_.end(), 0);
  for (const std::int32_t cell : setup_.train_cells) {
    ++others_.at(segment.states[cell][centre / setup_.corpus.bin_bp]);
  }
}

void PopulationScorer::add_states(const ScoredBatch& batch, std::int64_t row) {
  const auto rows = row_of<std::int32_t>(batch.batch.state_rows, row);
  const auto labels = row_of<std::int32_t>(batch.batch.state_labels, row);
  const auto weights = row_of<float>(batch.batch.state_weights, row);
  const auto types = row_of<std::int32_t>(batch.batch.type_ids, row);
  StateTally& tally = population_.states;
  for (std::size_t slot = 0; slot < rows.size(); ++slot) {
    if (weights[slot] == 0.0F) continue;
    const std::int64_t token = rows[slot] - row * setup_.tokens.length;
    const HiddenBin bin = hidden_bin(types, token, setup_.corpus.num_states + 1, labels[slot] + 1);
    count_others(batch.samples[static_cast<std::size_t>(row)], token);
    const StateScores scores = setup_.states.score(bin, others_);
    const auto scored = static_cast<std::size_t>(row) * rows.size() + slot;
    const std::int32_t answer = batch.state_predicted[scored] + 1;
    const double unlike = bin.differs() ? 1.0 : 0.0;
    tally.targets += 1.0;
    tally.differing += unlike;
    tally.nats += static_cast<double>(batch.state_row_loss[scored]);
    tally.correct += answer == bin.state ? 1.0 : 0.0;
    tally.differing_correct += answer == bin.state ? unlike : 0.0;
    tally.confusion.at(static_cast<std::size_t>(labels[slot]) *
                           static_cast<std::size_t>(setup_.corpus.num_states) +
                       static_cast<std::size_t>(answer - 1)) += 1.0;
    for (std::size_t i = 0; i < scores.nats.size(); ++i) {
      const bool right = scores.answer.at(i) == bin.state;
      tally.baseline_nats.at(i) += scores.nats.at(i);
      tally.baseline_correct.at(i) += right ? 1.0 : 0.0;
      tally.baseline_differing_correct.at(i) += right ? unlike : 0.0;
    }
  }
}

void sum_over_ranks(Population& population, dist::Communicator& world) {
  std::vector<double*> sums;
  list_sums(population.repeats, sums);
  list_sums(population.unique, sums);
  list_sums(population.states, sums);
  // One message for all tallies: a collective costs more than its few kilobytes.
  std::vector<double> message;
  for (const double* sum : sums) message.push_back(*sum);
  message.push_back(static_cast<double>(population.samples));
  core::Stream stream(core::kCpu);
  const core::View view(message.data(), {static_cast<std::int64_t>(message.size())});
  world.start(dist::Reduce::sum, view, core::Event()).wait(stream);
  for (std::size_t i = 0; i < sums.size(); ++i) *sums[i] = message[i];
  population.samples = static_cast<std::int64_t>(message.back());
}

}  // namespace epi::train
