// Runs whose ranks share the optimizer's state, against the same runs that don't: the same weights
// and moments in their checkpoints, which either kind takes up, on any number of ranks.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "train/checkpoint.hpp"
#include "train/device_memory.hpp"
#include "train/optimizer_state.hpp"
#include "train/sharded_parameters.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

class ShardedRun : public testing::Test {
 protected:
  ShardedRun() : folder_("sharded-run"), store_(folder_.path() / "store") {
    write_tiny_store(store_);
  }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] RunConfig config(bool sharded) const {
    RunConfig c = tiny_config(store_);
    c.train.precision = Precision::fp32;
    c.train.global_batch = 24;
    c.train.steps = 8;
    c.train.shard_optimizer = sharded;
    c.train.bucket_mb = 0.006;  // several of them, even here
    c.evaluate_windows = 4;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

/// The floats of a checkpoint's file, its header left out where it has one.
std::vector<float> floats_of(const fs::path& file, std::size_t header) {
  const std::string text = core::read_text(file);
  std::vector<float> values((text.size() - header) / sizeof(float));
  std::memcpy(values.data(), text.data() + header, values.size() * sizeof(float));
  return values;
}

/// Of model.safetensors, whose header is as long as its first eight bytes say.
std::vector<float> weights_of(const fs::path& checkpoint) {
  std::uint64_t length = 0;
  const std::string text = core::read_text(checkpoint / "model.safetensors");
  std::memcpy(&length, text.data(), sizeof length);
  return floats_of(checkpoint / "model.safetensors", sizeof length + length);
}

/// Adam's ratio of moments can turn a last bit of a tiny gradient into a step of its own, so most
/// elements must be near, and none far.
void expect_near(const std::vector<float>& found, const std::vector<float>& truth) {
  ASSERT_EQ(found.size(), truth.size());
  std::size_t other = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    ASSERT_NEAR(found[i], truth[i], 1e-3) << i;
    if (std::abs(found[i] - truth[i]) > 1e-6F) ++other;
  }
  EXPECT_LT(other, truth.size() / 100);
}

TEST_F(ShardedRun, AnyRanks_sameWeightsAsUnsharded) {
  for (const int ranks : {2, 3, 4}) {
    const std::string name = std::to_string(ranks);
    const RunResult whole = run_ranks(ranks, config(false), run("whole" + name));
    const RunResult sharded = run_ranks(ranks, config(true), run("sharded" + name));
    expect_near(weights_of(checkpoint_path(run("sharded" + name), 8)),
                weights_of(checkpoint_path(run("whole" + name), 8)));
    ASSERT_TRUE(sharded.validation && whole.validation);
    EXPECT_NEAR(sharded.validation->dna.nll, whole.validation->dna.nll,
                1e-5 * whole.validation->dna.nll);
    EXPECT_LT(sharded.state_bytes, whole.state_bytes);
  }
}

// Moments and all: a run in parts is the run.
TEST_F(ShardedRun, Resumed_endsWithTheSameBits) {
  RunConfig c = config(true);
  run_ranks(3, c, run("whole"));
  c.train.steps = 3;
  run_ranks(3, c, run("parts"));
  c.train.steps = 8;
  run_ranks(3, c, run("parts"));
  expect_same_files(checkpoint_path(run("whole"), 8), checkpoint_path(run("parts"), 8));
}

TEST_F(ShardedRun, OtherRanksAndKinds_goOnFromItsCheckpoints) {
  RunConfig c = config(false);
  run_ranks(2, c, run("whole"));
  const auto go_on = [&](std::int64_t steps, int ranks, bool sharded) {
    c.train.steps = steps;
    c.train.shard_optimizer = sharded;
    run_ranks(ranks, c, run("moved"));
  };
  go_on(2, 2, true);
  go_on(4, 4, true);
  go_on(5, 1, true);
  go_on(6, 2, false);
  go_on(8, 3, true);
  expect_near(weights_of(checkpoint_path(run("moved"), 8)),
              weights_of(checkpoint_path(run("whole"), 8)));
}

// Between evaluations and checkpoints, which read what other ranks have updated.
TEST_F(ShardedRun, EvaluationsAndCheckpoints_changeNoBit) {
  RunConfig c = config(true);
  run_ranks(2, c, run("plain"));
  c.evaluate_every = 2;
  c.checkpoint_every = 3;
  c.log_every = 1;
  run_ranks(2, c, run("busy"));
  EXPECT_TRUE(core::read_text(checkpoint_path(run("plain"), 8) / "model.safetensors") ==
              core::read_text(checkpoint_path(run("busy"), 8) / "model.safetensors"));
}

TEST_F(ShardedRun, MeasuredBuckets_areKeptByTheSameNumberOfRanks) {
  const auto note_of = [&](int step) {
    return open_checkpoint(checkpoint_path(run("a"), step)).note;
  };
  RunConfig c = config(true);
  c.train.steps = 2;
  run_ranks(2, c, run("a"));
  EXPECT_EQ(note_of(2).bucket_bytes, 6000) << "as configured";
  c.train.bucket_mb = 0.0;
  c.train.steps = 3;
  run_ranks(2, c, run("a"));
  EXPECT_EQ(note_of(3).bucket_bytes, 6000) << "as before";
  c.train.steps = 4;
  run_ranks(3, c, run("a"));
  const std::int64_t measured = note_of(4).bucket_bytes;
  EXPECT_GE(measured, std::int64_t{4} << 20);
  EXPECT_EQ(measured & (measured - 1), 0) << "a power of two";
  c.train.steps = 5;
  run_ranks(1, c, run("a"));
  EXPECT_EQ(note_of(5).bucket_bytes, measured) << "of a rank that has no buckets";
}

TEST_F(ShardedRun, LambOrReproducible_isRefused) {
  RunConfig c = config(true);
  c.optimizer.kind = kernels::Optimizer::lamb;
  EXPECT_THROW(run_ranks(2, c, run("lamb")), core::ConfigError);
  c = config(true);
  c.train.reproducible = true;
  EXPECT_THROW(run_ranks(2, c, run("reproducible")), core::ConfigError);
}

TEST_F(ShardedRun, Plan_isWhatARankAllocates) {
  const RunConfig c = config(true);
  const RunResult result = run_ranks(3, c, run("a"));
  model::ModelConfig m = c.model;
  m.num_states = kTinyStates;
  const auto ops = make_ops(core::kCpu, 1);
  const DeviceLoad load{c, m, kTinyBinBp, 0, *ops, 3};
  EXPECT_EQ(static_cast<std::int64_t>(plan_device(load).tensors.total()), result.state_bytes);
}

/// Two stretches of a block of three tensors, of which the middle one is cut, against the whole.
TEST(OptimizerState_stretches, areUpdatedAsPartsOfTheWhole) {
  const auto ops = make_ops(core::kCpu, 1);
  core::Stream stream(core::kCpu);
  const std::vector<kernels::ParameterSlice> slices = {
      {0, 30, true}, {32, 40, false}, {80, 16, true}};
  const std::vector<dist::Stretch> mine = {{16, 32}, {64, 32}};
  const OptimizerState whole(slices, {{0, 96}}, *ops);
  const OptimizerState parts(slices, mine, *ops);
  const core::Tensor gradients(core::DType::f32, {96});
  for (int i = 0; i < 96; ++i) gradients.as<float>()[i] = 0.01F * static_cast<float>(i - 40);
  const auto parameters_after = [&](const OptimizerState& optimizer) {
    std::vector<float> parameters(96, 0.5F);
    kernels::StepState state;
    state.learning_rate = 0.1F;
    state.bias_correction1 = 0.1F;
    state.bias_correction2 = 0.02F;
    std::int64_t updates = 0;
    optimizer.update({.parameters = core::View(parameters.data(), {96}),
                      .gradients = gradients,
                      .updates = core::View(&updates, {1}),
                      .state = &state},
                     stream);
    EXPECT_EQ(updates, 1);
    return parameters;
  };
  const std::vector<float> truth = parameters_after(whole);
  const std::vector<float> found = parameters_after(parts);
  for (std::size_t i = 0; i < 96; ++i) {
    const bool inside = (i >= 16 && i < 48) || i >= 64;
    EXPECT_EQ(found[i], inside ? truth[i] : 0.5F) << i;
  }
  double squares = 0.0;
  parts.sum_squares(gradients, core::View(&squares, {1}), stream);
  double by_hand = 0.0;
  for (const dist::Stretch& stretch : mine) {
    for (std::int64_t i = stretch.first; i < stretch.end(); ++i) {
      by_hand += 1e-4 * static_cast<double>((i - 40) * (i - 40));
    }
  }
  EXPECT_NEAR(squares, by_hand, 1e-6 * by_hand);
  EXPECT_EQ(parts.bytes(), 2 * 64 * sizeof(float));
}

}  // namespace
}  // namespace epi::train
