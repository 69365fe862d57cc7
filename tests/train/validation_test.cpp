// Evaluation hides every target, in the same places for any number of ranks and any micro-batch.
#include "train/validation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <mutex>
#include <set>

#include "data/orders.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

class Validation : public testing::Test {
 protected:
  Validation() : folder_("validation"), store_(open(folder_.path())), corpus_(store_.corpus()) {}

  static data::Store open(const fs::path& folder) {
    write_tiny_store(folder);
    return data::Store::open(folder);
  }

  [[nodiscard]] data::EvaluationOrder source(std::int64_t count) const {
    return {
        data::WindowTable(store_.manifest(), corpus_, data::Split::valid, 192), {0, 1, 2}, count};
  }

  MaskedScores score(dist::Communicator& world, std::int64_t micro_batch, std::int64_t count,
                     const OnScoredBatch& on_batch = {}) const {
    RunConfig config = tiny_config(folder_.path());
    config.train.micro_batch = micro_batch;
    config.model.num_states = kTinyStates;
    const auto ops = kernels::make_cpu_ops(1);
    core::Stream stream(ops->device());
    model::MaskedModel model(config.model, batch_shape(config, kTinyBinBp), *ops);
    const core::Tensor parameters(core::DType::f32, {model.table().block_size()});
    model::initialise(model.table(), 3, 0.3F, parameters);
    const DeviceCorpus corpus(corpus_, ops->device());
    Validator validator({config.tokens, config.masks, corpus, *ops, model, world, stream});
    return validator.run(source(count), parameters, on_batch);
  }

  TestFolder folder_;
  data::Store store_;
  core::CorpusView corpus_;
};

TEST_F(Validation, EveryTarget_isHidden) {
  const auto world = dist::make_solo();
  double dna = 0.0;
  double states = 0.0;
  score(*world, 4, 12, [&](const ScoredBatch& scored) {
    const model::Batch& batch = scored.batch;
    for (std::int64_t i = 0; i < batch.dna_rows.view().size(); ++i) {
      if (batch.dna_weights.as<float>()[i] == 0.0F) continue;
      dna += 1.0;
      const std::int32_t row = batch.dna_rows.as<std::int32_t>()[i];
      EXPECT_EQ(batch.token_ids.as<std::int32_t>()[row], kernels::kMask);
    }
    for (std::int64_t i = 0; i < batch.state_rows.view().size(); ++i) {
      if (batch.state_weights.as<float>()[i] == 0.0F) continue;
      states += 1.0;
      const std::int32_t row = batch.state_rows.as<std::int32_t>()[i];
      EXPECT_EQ(batch.type_ids.as<std::int32_t>()[row], kTinyStates + 1);
    }
  });
  EXPECT_GT(dna, 50.0);
  EXPECT_GT(states, 5.0);
}

TEST_F(Validation, RowLosses_sumToTheTotals) {
  const auto world = dist::make_solo();
  double nll = 0.0;
  double correct = 0.0;
  std::int64_t samples = 0;
  const MaskedScores scores = score(*world, 4, 11, [&](const ScoredBatch& scored) {
    EXPECT_EQ(scored.first_sample, samples);
    samples += static_cast<std::int64_t>(scored.samples.size());
    for (std::size_t i = 0; i < scored.dna_row_loss.size(); ++i) {
      const double weight = static_cast<double>(scored.batch.dna_weights.as<float>()[i]);
      if (weight == 0.0) continue;
      nll += static_cast<double>(scored.dna_row_loss[i]);
      correct +=
          scored.dna_predicted[i] == scored.batch.dna_labels.as<std::int32_t>()[i] ? 1.0 : 0.0;
    }
  });
  EXPECT_EQ(samples, 11);
  EXPECT_NEAR(scores.dna.nll, nll, 1e-5 * nll);
  EXPECT_EQ(scores.dna.correct, correct);
  // Without overlap each hidden token hides three bases: bits per base by hand.
  EXPECT_EQ(scores.hidden_bases, 3.0 * scores.dna.targets);
  EXPECT_NEAR(scores.bits_per_base(), scores.dna.loss() / 3.0 / std::log(2.0), 1e-9);
}

TEST_F(Validation, AnyRanksAndMicroBatch_sameScores) {
  const auto solo = dist::make_solo();
  const MaskedScores truth = score(*solo, 1, 13);
  const auto expect_same = [&](const MaskedScores& scores) {
    EXPECT_EQ(scores.samples, 13);
    EXPECT_EQ(scores.hidden_bases, truth.hidden_bases);
    EXPECT_EQ(scores.dna.targets, truth.dna.targets);
    EXPECT_EQ(scores.state.targets, truth.state.targets);
    EXPECT_EQ(scores.dna.correct, truth.dna.correct);
    EXPECT_NEAR(scores.dna.nll, truth.dna.nll, 1e-5 * truth.dna.nll);
    EXPECT_NEAR(scores.state.nll, truth.state.nll, 1e-5 * truth.state.nll);
  };
  expect_same(score(*solo, 4, 13));
  expect_same(score(*solo, 16, 13));
  dist::run_threads(3, [&](dist::Communicator& world) { expect_same(score(world, 2, 13)); });
}

// Each rank scores its batches; how many ranks there are rounds nothing.
TEST_F(Validation, AnyRanks_sameBits) {
  const auto solo = dist::make_solo();
  const MaskedScores truth = score(*solo, 2, 13);
  for (const int ranks : {2, 3, 5, 8}) {  // 7 batches: some of eight ranks have none
    dist::run_threads(ranks, [&](dist::Communicator& world) {
      const MaskedScores scores = score(world, 2, 13);
      EXPECT_EQ(scores.dna.nll, truth.dna.nll);
      EXPECT_EQ(scores.state.nll, truth.state.nll);
      EXPECT_EQ(scores.dna.correct, truth.dna.correct);
      EXPECT_EQ(scores.hidden_bases, truth.hidden_bases);
      EXPECT_EQ(scores.samples, 13);
    });
  }
}

}  // namespace
}  // namespace epi::train
