// Keys of a configuration: defaults, bounds, and what a resumed run may change.
#include "train/run_config.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace epi::train {
namespace {

RunConfig read(const std::string& text) {
  core::Config config = core::Config::from_text("data.store = \"s\"\n" + text, "run.toml");
  return read_run_config(config);
}

std::string error_of(const std::string& text) {
  try {
    static_cast<void>(read(text));
  } catch (const core::ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(RunConfig_onlyAStore_takesDefaults, andFollowsThem) {
  const RunConfig config = read("");
  EXPECT_EQ(config.tokens.k, 6);
  EXPECT_EQ(config.tokens.stride, 6);
  EXPECT_EQ(config.model.vocabulary, 5 + 4096);
  EXPECT_EQ(config.model.positions, 512);
  EXPECT_EQ(config.schedule.steps, config.train.steps);
  EXPECT_FLOAT_EQ(config.masks.dna_rate, 0.15F);
  EXPECT_NE(config.resolved.find("global_batch"), std::string::npos);
}

TEST(RunConfig_overrides_reachTheirFields, bySection) {
  const RunConfig config = read(
      "[tokens]\nk = 4\n[model]\nsize = \"tiny\"\nlayers = 3\nactivation = \"gelu\"\n"
      "[train]\nsteps = 7\nglobal_batch = 12\nmicro_batch = 3\n[schedule]\nkind = \"cosine\"\n"
      "[optimizer]\nlearning_rate = 0.5\n[objective]\nstate_weight = 0\n");
  EXPECT_EQ(config.tokens.stride, 4);
  EXPECT_EQ(config.model.layers, 3);
  EXPECT_EQ(config.model.activation, kernels::Activation::gelu);
  EXPECT_EQ(config.train.micro_batches(), 4);
  EXPECT_EQ(config.schedule.kind, ScheduleKind::cosine);
  EXPECT_EQ(config.schedule.steps, 7);
  EXPECT_DOUBLE_EQ(config.schedule.peak, 0.5);
  EXPECT_EQ(config.masks.state_rate, 0.0F) << "an objective of weight 0 hides nothing";
}

TEST(RunConfig_wrongValue_namesLineKeyAndBound, inOneMessage) {
  const std::string message = error_of("[train]\nsteps = 0\n");
  EXPECT_NE(message.find("run.toml:3"), std::string::npos) << message;
  EXPECT_NE(message.find("train.steps = 0"), std::string::npos) << message;
  EXPECT_NE(message.find("from 1"), std::string::npos) << message;
}

TEST(RunConfig_wrongCombinations_areRefused, oneByOne) {
  for (const char* text : {
           "[train]\nglobal_batch = 10\nmicro_batch = 4\n",
           "[mask]\nmask_share = 0.8\nrandom_share = 0.3\n",
           "[mask]\ndna_rate = 1.5\n",
           "[mask]\ndna_rate = 0\n",
           "[objective]\ndna_weight = 0\nstate_weight = 0\n",
           "[tokens]\nk = 6\nstride = 7\n",
           "[model]\nheads = 5\n",
           "[model]\nactivation = \"relu\"\n",
           "[optimizer]\nbeta1 = 1.0\n",
           "[optimizer]\nlearning_rate = nan\n",
           "[optimizer]\nlearning_rate = 1e-5\n[schedule]\nmin_learning_rate = 1e-4\n",
           "[schedule]\nkind = \"step\"\n",
           "[train]\nstepz = 5\n",
       }) {
    EXPECT_NE(error_of(text), "accepted") << text;
  }
}

TEST(CheckRanks_sixMicroBatches_namesTheDivisors, unlessTheyDivide) {
  RunConfig config = read("[train]\nglobal_batch = 12\nmicro_batch = 2\n");
  check_ranks(config, 1);
  check_ranks(config, 3);
  try {
    check_ranks(config, 4);
    FAIL() << "4 ranks cannot share 6 micro-batches";
  } catch (const core::ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("1, 2, 3, 6"), std::string::npos) << error.what();
  }
}

TEST(CheckSame_changedSetting_namesKeyAndBothValues, butNotCadences) {
  const RunConfig before = read("[train]\nseed = 3\n[schedule]\nsteps = 100\n");
  RunConfig now = read(
      "[train]\nseed = 3\nsteps = 20000\nthreads = 2\n[schedule]\nsteps = 100\n"
      "[checkpoint]\nevery = 7\n[log]\nevery = 1\n[evaluate]\nevery = 9\n");
  check_same(identity_of(before), identity_of(now));
  now.train.seed = 4;
  try {
    check_same(identity_of(before), identity_of(now));
    FAIL() << "another seed is another run";
  } catch (const core::ConfigError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("train.seed was 3"), std::string::npos) << message;
    EXPECT_NE(message.find("is 4 now"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace epi::train
