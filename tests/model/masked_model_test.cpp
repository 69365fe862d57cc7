// The promises of MaskedModel beside its mathematics: what is written, in which order, with which
// bits, and that its gradients train.
#include "model/masked_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "model/model_run.hpp"

namespace epi::model::testing {
namespace {

ModelConfig config_of(std::int32_t hidden, float dropout) {
  ModelConfig config;
  config.layers = 3;
  config.hidden = hidden;
  config.heads = 2;
  config.intermediate = 4 * hidden;
  config.positions = 80;
  config.vocabulary = 69;
  config.num_states = 5;
  config.dropout = dropout;
  return config;
}

constexpr BatchShape kShape{.batch = 2, .tokens = 37, .dna_slots = 6, .state_slots = 4};

std::vector<float> copy_of(const core::Tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.view().size()};
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(MaskedModel, backward_writes_every_element_and_keeps_padding_zero) {
  ModelRun run(config_of(32, 0.1F), kShape);
  run.fill_weights(0.3F);
  run.forward(true);
  run.backward();  // starts from NaN
  std::vector<float> rest = copy_of(run.gradients);
  for (const float value : rest) ASSERT_TRUE(std::isfinite(value));
  for (const Parameter& p : run.model.table().parameters()) {
    std::fill_n(rest.begin() + p.offset, p.size, 0.0F);
  }
  for (const float value : rest) ASSERT_EQ(value, 0.0F);
  // 69 and 5 classes leave padding behind their biases: the test would not see it otherwise.
  EXPECT_GT(run.model.table().block_size(), run.model.table().num_parameters());
}

TEST(MaskedModel, no_targets_gives_zero_loss_and_zero_gradient) {
  ModelRun run(config_of(32, 0.1F), kShape);
  run.fill_weights(0.3F);
  std::fill_n(run.batch.dna_weights.as<float>(), run.batch.dna_weights.view().size(), 0.0F);
  std::fill_n(run.batch.state_weights.as<float>(), run.batch.state_weights.view().size(), 0.0F);
  run.state.loss_scale = {};
  const Losses losses = run.forward(true);
  run.backward();
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(losses.dna[i], 0.0);
    EXPECT_EQ(losses.state[i], 0.0);
  }
  for (const float value : copy_of(run.gradients)) ASSERT_EQ(value, 0.0F);
}

TEST(MaskedModel, any_number_of_threads_gives_the_same_bits) {
  const BatchShape shape{.batch = 2, .tokens = 71, .dna_slots = 11, .state_slots = 9};
  std::vector<float> gradients;
  Losses losses;
  for (const int threads : {1, 2, 3}) {
    ModelRun run(config_of(64, 0.1F), shape, threads);
    run.fill_weights(0.3F);
    const Losses now = run.forward(true);
    run.backward();
    if (threads == 1) {
      gradients = copy_of(run.gradients);
      losses = now;
    }
    EXPECT_TRUE(same_bits(copy_of(run.gradients), gradients)) << threads << " threads";
    EXPECT_EQ(now.dna, losses.dna);
    EXPECT_EQ(now.state, losses.state);
  }
}

TEST(MaskedModel, gradients_done_falls_to_zero_and_holds_what_it_says) {
  ModelRun run(config_of(32, 0.1F), kShape);
  run.fill_weights(0.3F);
  run.forward(true);
  std::vector<std::int64_t> offsets;
  std::vector<std::vector<float>> seen;
  BlockHooks hooks;
  hooks.gradients_done = [&](std::int64_t offset) {
    offsets.push_back(offset);
    const std::vector<float> block = copy_of(run.gradients);
    seen.emplace_back(block.begin() + offset, block.end());
  };
  run.backward(hooks);
  ASSERT_EQ(offsets.size(), 6U);  // state head, DNA head, three layers, embeddings
  EXPECT_EQ(offsets.back(), 0);
  EXPECT_TRUE(std::is_sorted(offsets.rbegin(), offsets.rend()));
  const std::vector<float> final = copy_of(run.gradients);
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    EXPECT_TRUE(same_bits(seen[i], {final.begin() + offsets[i], final.end()})) << offsets[i];
  }
}

TEST(MaskedModel, forward_reads_no_parameter_before_announcing_it) {
  ModelRun run(config_of(32, 0.0F), kShape);
  run.fill_weights(0.3F);
  std::vector<std::int64_t> offsets;
  BlockHooks hooks;
  hooks.before_read = [&](std::int64_t offset) { offsets.push_back(offset); };
  const Losses expected = run.forward(false, hooks);
  ASSERT_EQ(offsets.size(), 6U);
  EXPECT_EQ(offsets.front(), 0);
  EXPECT_TRUE(std::is_sorted(offsets.begin(), offsets.end()));

  // Again from a block of NaN that fills up as the model announces what it is about to read.
  const std::vector<float> weights = copy_of(run.parameters);
  offsets.push_back(run.model.table().block_size());
  float* block = run.parameters.as<float>();
  std::fill_n(block, weights.size(), std::numeric_limits<float>::quiet_NaN());
  hooks.before_read = [&](std::int64_t offset) {
    const std::int64_t end = *std::upper_bound(offsets.begin(), offsets.end(), offset);
    std::copy(weights.begin() + offset, weights.begin() + end, block + offset);
  };
  const Losses again = run.forward(false, hooks);
  EXPECT_EQ(again.dna, expected.dna);
  EXPECT_EQ(again.state, expected.state);
}

TEST(MaskedModel, dropout_acts_in_training_only) {
  ModelRun run(config_of(32, 0.5F), kShape);
  run.fill_weights(0.3F);
  ModelRun without(config_of(32, 0.0F), kShape);
  without.fill_weights(0.3F);
  const double expected = without.loss(true);
  EXPECT_EQ(run.loss(false), expected);
  const double dropped = run.loss(true);
  EXPECT_NE(dropped, expected);
  EXPECT_EQ(run.loss(true), dropped);  // the same slots draw the same
  run.state.first_slot += 1;
  EXPECT_NE(run.loss(true), dropped);
}

TEST(MaskedModel, impossible_shapes_are_refused) {
  const auto ops = kernels::make_cpu_ops(1);
  const ModelConfig config = config_of(32, 0.0F);
  const auto refuses = [&](const BatchShape& shape, ModelConfig model) {
    EXPECT_THROW(MaskedModel(model, shape, *ops), core::ConfigError);
  };
  refuses({.batch = 0, .tokens = 8, .dna_slots = 1}, config);
  refuses({.batch = 1, .tokens = 81, .dna_slots = 1}, config);  // 80 positions
  refuses({.batch = 1, .tokens = 8}, config);                   // no objective
  ModelConfig no_states = config;
  no_states.num_states = 0;
  refuses({.batch = 1, .tokens = 8, .state_slots = 1}, no_states);
}

/// One step of AdamW on a run; returns the losses before it.
Losses train_step(ModelRun& run, const core::Tensor& moment1, const core::Tensor& moment2) {
  const std::vector<kernels::ParameterSlice> slices = run.model.table().slices();
  const Losses losses = run.forward(true);
  run.backward();
  core::Stream& stream = run.stream;
  run.state.step += 1;
  const auto step = static_cast<float>(run.state.step);
  run.state.bias_correction1 = 1.0F - std::pow(0.9F, step);
  run.state.bias_correction2 = 1.0F - std::pow(0.98F, step);
  run.ops->sum_squares(
      {.in = run.gradients, .out = core::View(&run.state.gradient_sum_squares, {1})}, stream);
  run.ops->update({.slices = slices,
                   .parameters = run.parameters,
                   .gradients = run.gradients,
                   .moment1 = moment1,
                   .moment2 = moment2,
                   .state = &run.state},
                  stream);
  EXPECT_EQ(run.state.skipped, 0);
  return losses;
}

TEST(MaskedModel, training_on_one_batch_learns_it) {
  ModelRun run(config_of(32, 0.0F), kShape, 2);
  initialise(run.model.table(), 3, run.model.config().initial_deviation, run.parameters);
  const core::Tensor moment1(core::DType::f32, {run.model.table().block_size()});
  const core::Tensor moment2(core::DType::f32, {run.model.table().block_size()});
  run.state.learning_rate = 0.005F;
  run.state.max_gradient_norm = 1.0F;
  const Losses first = train_step(run, moment1, moment2);
  EXPECT_NEAR(first.dna[0] / first.dna[1], std::log(69.0), 0.1);  // knows nothing yet
  EXPECT_NEAR(first.state[0] / first.state[1], std::log(5.0), 0.1);
  Losses last;
  for (int step = 0; step < 60; ++step) last = train_step(run, moment1, moment2);
  EXPECT_LT(last.dna[0], 0.1 * first.dna[0]);
  EXPECT_LT(last.state[0], 0.1 * first.state[0]);
  EXPECT_EQ(last.dna[2], last.dna[1]);  // all correct
}

}  // namespace
}  // namespace epi::model::testing
