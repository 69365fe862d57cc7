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

RunConfig read_set(const std::string& assignment) {
  core::Config config = core::Config::from_text("data.store = \"s\"\n", "run.toml");
  config.set(assignment);
  return read_run_config(config);
}

TEST(RunConfig_traceAndMaxTime_takeNumbers, asTheirTexts) {
  EXPECT_EQ(read("train.trace = 100\n").train.trace.first, 100);
  EXPECT_EQ(read_set("train.trace=100").train.trace.last, 100);
  EXPECT_EQ(read_set("train.trace=10-12").train.trace.last, 12);
  EXPECT_EQ(read("train.max_time = 90\n").train.max_time_s, 90.0);
  EXPECT_EQ(read_set("train.max_time=90").train.max_time_s, 90.0);
  EXPECT_EQ(read_set("train.max_time=0.5").train.max_time_s, 0.5);
  EXPECT_EQ(read_set("train.max_time=12:00:00").train.max_time_s, 43200.0);
  EXPECT_EQ(read_set("train.max_time=2.5h").train.max_time_s, 9000.0);
  EXPECT_NE(read_set("train.max_time=90").resolved.find("max_time = '90'"), std::string::npos)
      << read_set("train.max_time=90").resolved;
  EXPECT_NE(error_of("train.trace = 1.5\n").find("a step, or FIRST-LAST"), std::string::npos);
  EXPECT_NE(error_of("train.trace = true\n").find("expected a text"), std::string::npos);
  for (const char* value : {"-5", "inf", "nan", "0"}) {
    EXPECT_NE(error_of(std::string("train.max_time = ") + value).find("expected seconds"),
              std::string::npos)
        << value;
  }
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

TEST(RunConfig_execution_isNoPartOfTheMathematics, butIsRead) {
  const RunConfig plain = read("");
  EXPECT_EQ(plain.train.precision, Precision::automatic);
  EXPECT_EQ(plain.train.recompute, model::Recompute::none);
  EXPECT_NE(plain.resolved.find("precision = 'auto'"), std::string::npos) << plain.resolved;
  const RunConfig other = read("[train]\nprecision = \"bf16\"\nrecompute = \"layer\"\n");
  EXPECT_EQ(other.train.precision, Precision::bf16);
  EXPECT_EQ(other.train.recompute, model::Recompute::layer);
  EXPECT_EQ(read("[train]\nprecision = \"fp32\"\n").train.precision, Precision::fp32);
  EXPECT_EQ(identity_of(plain), identity_of(other));
  EXPECT_NE(error_of("[train]\nprecision = \"fp16\"\n").find("auto, fp32 or bf16"),
            std::string::npos);
  EXPECT_NE(error_of("[train]\nrecompute = \"all\"\n").find("none or layer"), std::string::npos);
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
           "[mask]\nrepeats = \"drop\"\n",
           "[mask]\nrepeat_weight = 0\n",
           "[mask]\nrepeat_weight = 1.5\n",
       }) {
    EXPECT_NE(error_of(text), "accepted") << text;
  }
}

TEST(RunConfig_dataAndRepeats_reachTheirFields, andHaveDefaults) {
  const RunConfig defaults = read("");
  EXPECT_EQ(defaults.min_acgt, 0.5);
  EXPECT_EQ(defaults.cells_per_window, 0);
  EXPECT_EQ(defaults.masks.repeats, kernels::Repeats::keep);
  EXPECT_EQ(defaults.masks.weight_in_repeats(), 1.0F);
  core::Config text = core::Config::from_text(
      "[data]\nstore = \"s\"\nmin_acgt = 0.9\ncells_per_window = 4\n"
      "[mask]\nrepeats = \"downweight\"\nrepeat_weight = 0.25\n",
      "run.toml");
  const RunConfig config = read_run_config(text);
  EXPECT_EQ(config.min_acgt, 0.9);
  EXPECT_EQ(config.cells_per_window, 4);
  EXPECT_EQ(config.masks.repeats, kernels::Repeats::downweight);
  EXPECT_EQ(config.masks.weight_in_repeats(), 0.25F);
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

Identity without_young_keys(Identity identity) {
  std::erase_if(identity, [](const auto& entry) {
    return entry.first.starts_with("data.") || entry.first.starts_with("mask.repeat");
  });
  return identity;
}

TEST(TakeOlderDefaults_min_acgt, isZeroOnlyWhereTheKeyIsMissing) {
  RunConfig config = read("");
  ASSERT_EQ(config.min_acgt, 0.5);
  take_older_defaults(identity_of(config), config);
  EXPECT_EQ(config.min_acgt, 0.5);
  take_older_defaults(without_young_keys(identity_of(config)), config);
  EXPECT_EQ(config.min_acgt, 0.0);
}

TEST(CheckSame_checkpointWithoutYoungKeys_isResumed, whereTheyChangeNothing) {
  RunConfig config = read("");
  config.min_acgt = 0.0;  // as the trainer says for stores without windows full of N
  const Identity old = without_young_keys(identity_of(config));
  EXPECT_EQ(old.size() + 4, identity_of(config).size());
  check_same(old, identity_of(config));
  config.masks.repeat_weight = 0.7F;
  check_same(old, identity_of(config));  // nobody reads it
  for (const auto change : {0, 1, 2}) {
    RunConfig now = config;
    if (change == 0) now.min_acgt = 0.5;
    if (change == 1) now.cells_per_window = 2;
    if (change == 2) now.masks.repeats = kernels::Repeats::exclude;
    EXPECT_THROW(check_same(old, identity_of(now)), core::ConfigError) << change;
  }
  Identity newer = identity_of(config);
  newer.emplace_back("mask.of_the_future", "1");
  EXPECT_THROW(check_same(newer, identity_of(config)), core::ConfigError);
}

}  // namespace
}  // namespace epi::train
