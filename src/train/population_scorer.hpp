// Adds up, target by target, what a model and the baselines say of the same hidden tokens and bins.
#pragma once

#include <cstdint>
#include <vector>

#include "core/corpus.hpp"
#include "kernels/tokens.hpp"
#include "train/evaluate.hpp"
#include "train/validation.hpp"

namespace epi::train {

/// What a scorer compares with. All must outlive it.
struct ScorerSetup {
  const core::CorpusView& corpus;
  kernels::TokenSpec tokens;
  const DnaBaselines& dna;
  const StateBaselines& states;
  const std::vector<std::int32_t>& train_cells;  ///< whose majority is a baseline
};

class PopulationScorer {
 public:
  /// Adds to `population`, which must outlive it. Samples are forward strand.
  PopulationScorer(const ScorerSetup& setup, Population& population);

  /// All samples of a scored batch; LogicError unless they lie on the forward strand.
  void add(const ScoredBatch& batch);

 private:
  /// Fills bases_, codes_ and hidden_ from row `row` of the batch.
  void see_window(const ScoredBatch& batch, std::int64_t row);
  /// The row's hidden tokens, split by whether most of their bases are soft-masked.
  void add_dna(const ScoredBatch& batch, std::int64_t row);
  /// The row's hidden bins.
  void add_states(const ScoredBatch& batch, std::int64_t row);
  /// States of the training cell types at the bin of `token`, into others_.
  void count_others(const core::SampleRef& sample, std::int64_t token);

  ScorerSetup setup_;
  Population& population_;
  std::vector<std::uint8_t> bases_;  ///< of the window at hand, codes with the soft-mask flag
  std::vector<std::uint8_t> codes_;  ///< without it
  std::vector<std::uint8_t> hidden_;
  std::vector<std::int32_t> others_;  ///< [S + 1] training cell types per state at one bin
};

/// Sums a population's tallies over all ranks. Collective.
void sum_over_ranks(Population& population, dist::Communicator& world);

}  // namespace epi::train
