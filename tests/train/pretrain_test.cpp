// Whole runs on a tiny store: any number of ranks, stop and resume, damage, numbers that are not
// finite, settings that changed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <mutex>

#include "core/error.hpp"
#include "train/checkpoint.hpp"
#include "train/poison.hpp"
#include "train/run_folder.hpp"
#include "train/safetensors.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

class Pretrain : public testing::Test {
 protected:
  Pretrain() : folder_("pretrain"), store_(folder_.path() / "store") { write_tiny_store(store_); }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] RunConfig config() const { return tiny_config(store_); }

 private:
  TestFolder folder_;
  fs::path store_;
};

std::vector<float> weights(const fs::path& run, int step) {
  const SafetensorsFile file =
      SafetensorsFile::open(checkpoint_path(run, step) / "model.safetensors");
  std::vector<float> all;
  for (const TensorEntry& entry : file.entries()) {
    std::vector<float> values((entry.end - entry.begin) / sizeof(float));
    file.read(entry.name, entry.shape,
              core::View(values.data(), {static_cast<std::int64_t>(values.size())}));
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

template <class Kind>
std::string error_of(const RunConfig& config, const fs::path& out) {
  try {
    run_solo(config, out);
  } catch (const Kind& error) {
    return error.what();
  }
  return "";
}

bool takes_bf16() {
  return kernels::make_cpu_ops(1)->takes(core::DType::bf16);
}

TEST_F(Pretrain, FiftySteps_learnWhatTheStoreHolds) {
  RunConfig c = config();
  c.train.steps = 50;
  const RunResult result = run_solo(c, run("a"));
  EXPECT_EQ(result.step, 50);
  EXPECT_FALSE(result.stopped);
  const std::vector<double> loss = metrics_column(run("a"), kLossColumn);
  ASSERT_EQ(loss.size(), 50U);
  // At first every k-mer and state is alike to the model: ln(69) + ln(4) nats.
  EXPECT_NEAR(loss.front(), std::log(69.0) + std::log(4.0), 0.15);
  EXPECT_LT(loss.back(), loss.front() - 0.3);
  ASSERT_TRUE(result.validation);
  EXPECT_EQ(result.validation->samples, 12);
  EXPECT_LT(result.validation->dna.loss(), std::log(69.0) - 0.1);
  EXPECT_LT(result.timings.share(Part::assemble), 0.5);
  EXPECT_GT(result.tokens_per_s, 0.0);
}

TEST_F(Pretrain, OneTwoAndFourRanks_sameLossesAndWeights) {
  RunConfig c = config();
  c.train.precision = Precision::fp32;  // the bounds below are those of its rounding
  c.train.steps = 50;
  c.evaluate_every = 25;
  const RunResult one = run_solo(c, run("1"));
  const std::vector<double> truth = metrics_column(run("1"), kLossColumn);
  const std::vector<float> w1 = weights(run("1"), 50);
  const float largest =
      std::abs(*std::ranges::max_element(w1, {}, [](float x) { return std::abs(x); }));
  for (const int ranks : {2, 4}) {
    const fs::path out = run(std::to_string(ranks));
    const RunResult result = run_ranks(ranks, c, out);
    const std::vector<double> loss = metrics_column(out, kLossColumn);
    ASSERT_EQ(loss.size(), truth.size());
    for (std::size_t i = 0; i < loss.size(); ++i) {
      ASSERT_NEAR(loss[i], truth[i], 1e-5 * truth[i]) << ranks << " ranks, step " << i + 1;
    }
    const std::vector<float> w = weights(out, 50);
    ASSERT_EQ(w.size(), w1.size());
    for (std::size_t i = 0; i < w.size(); ++i) ASSERT_NEAR(w[i], w1[i], 1e-4F * largest);
    EXPECT_EQ(result.validation->samples, one.validation->samples);
    EXPECT_EQ(result.validation->dna.targets, one.validation->dna.targets);
    EXPECT_NEAR(result.validation->dna.nll, one.validation->dna.nll,
                1e-4 * one.validation->dna.nll);
  }
}

// Sums over ranks differ in their last bits; bf16 makes of that a step of 2^-8 where an activation
// lies between two of its numbers, here and there.
TEST_F(Pretrain, TwoRanksInBf16_sameLossesToItsRounding) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  RunConfig c = config();
  c.train.precision = Precision::bf16;
  run_solo(c, run("1"));
  run_ranks(2, c, run("2"));
  const std::vector<double> one = metrics_column(run("1"), kLossColumn);
  const std::vector<double> two = metrics_column(run("2"), kLossColumn);
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) ASSERT_NEAR(two[i], one[i], 2e-3 * one[i]) << i;
}

TEST_F(Pretrain, Bf16_learnsWhatFp32Learns) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  RunConfig c = config();
  c.train.steps = 50;
  c.train.precision = Precision::fp32;
  const RunResult full = run_solo(c, run("fp32"));
  c.train.precision = Precision::bf16;
  const RunResult half = run_solo(c, run("bf16"));
  EXPECT_NE(full.loss, half.loss);
  EXPECT_NEAR(half.validation->dna.loss() / full.validation->dna.loss(), 1.0, 0.01);
  EXPECT_NEAR(half.validation->state.loss() / full.validation->state.loss(), 1.0, 0.01);
  EXPECT_LT(half.state_bytes, full.state_bytes);
}

TEST_F(Pretrain, Recomputation_changesNoBitAndTakesLessMemory) {
  RunConfig c = config();
  c.train.steps = 6;
  c.model.layers = 3;
  const RunResult kept = run_solo(c, run("kept"));
  c.train.recompute = model::Recompute::layer;
  const RunResult again = run_solo(c, run("again"));
  expect_same_files(checkpoint_path(run("kept"), 6), checkpoint_path(run("again"), 6));
  EXPECT_LT(again.state_bytes, kept.state_bytes);
}

/// What a run logs, warnings included.
std::string log_of(const RunConfig& config, const fs::path& out) {
  std::FILE* const file = std::tmpfile();
  const auto world = dist::make_solo();
  const StopRequest stop;
  pretrain(config, {out}, *world, core::Log(file, 0, core::LogLevel::info), stop);
  std::string text(static_cast<std::size_t>(std::ftell(file)), ' ');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}

TEST_F(Pretrain, OtherPrecision_isResumedWithAWarning) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  RunConfig c = config();
  c.train.steps = 4;
  const std::string first = log_of(c, run("a"));
  EXPECT_NE(first.find("precision bf16: this processor multiplies pairs of it"), std::string::npos)
      << first;
  const CheckpointNote note = open_checkpoint(checkpoint_path(run("a"), 4)).note;
  EXPECT_EQ(note.precision, "bf16");
  EXPECT_NE(note.instruction_set.find("avx512, "), std::string::npos) << note.instruction_set;
  c.train.steps = 6;
  EXPECT_EQ(log_of(c, run("a")).find("its bits"), std::string::npos) << "the same precision";
  c.train.steps = 8;
  c.train.precision = Precision::fp32;
  const std::string other = log_of(c, run("a"));
  EXPECT_NE(other.find("computed in bf16 and goes on in fp32"), std::string::npos) << other;
  const std::string events = core::read_text(run("a") / "events.jsonl");
  EXPECT_NE(events.find("\"precision\":\"bf16\""), std::string::npos) << events;
  EXPECT_NE(events.find("\"precision\":\"fp32\""), std::string::npos) << events;
}

TEST_F(Pretrain, Resumed_endsWithTheSameBits) {
  RunConfig c = config();
  run_solo(c, run("whole"));
  c.train.steps = 10;
  run_solo(c, run("parts"));
  c.train.steps = 20;
  const RunResult result = run_solo(c, run("parts"));
  EXPECT_EQ(result.first_step, 10);
  EXPECT_EQ(result.step, 20);
  expect_same_files(checkpoint_path(run("whole"), 20), checkpoint_path(run("parts"), 20));
  EXPECT_EQ(metrics_column(run("whole"), kLossColumn), metrics_column(run("parts"), kLossColumn));
  EXPECT_EQ(metrics_column(run("parts"), kStepColumn).size(), 20U);
}

TEST_F(Pretrain, CompleteRun_startedAgain_changesNothing) {
  run_solo(config(), run("a"));
  const std::string before = core::read_text(run("a") / "metrics.csv");
  const RunResult again = run_solo(config(), run("a"));
  EXPECT_EQ(again.step, 20);
  EXPECT_EQ(again.first_step, 20);
  EXPECT_EQ(core::read_text(run("a") / "metrics.csv"), before);
}

TEST_F(Pretrain, DamagedCheckpoint_resumesFromThePreviousOne) {
  RunConfig c = config();
  c.checkpoint_every = 8;
  c.checkpoint_keep = 3;
  run_solo(c, run("whole"));
  c.train.steps = 16;
  run_solo(c, run("parts"));
  damage(checkpoint_path(run("parts"), 16) / "model.safetensors", 5000);
  c.train.steps = 20;
  const RunResult result = run_solo(c, run("parts"));
  EXPECT_EQ(result.first_step, 8);
  expect_same_files(checkpoint_path(run("whole"), 20), checkpoint_path(run("parts"), 20));
  EXPECT_EQ(metrics_column(run("parts"), kStepColumn).size(), 20U);
}

TEST_F(Pretrain, OldCheckpoints_onlyTheNewestAreKept) {
  RunConfig c = config();
  c.checkpoint_every = 4;
  c.checkpoint_keep = 2;
  run_solo(c, run("a"));
  EXPECT_TRUE(fs::exists(checkpoint_path(run("a"), 20)));
  EXPECT_TRUE(fs::exists(checkpoint_path(run("a"), 16)));
  EXPECT_FALSE(fs::exists(checkpoint_path(run("a"), 12)));
}

TEST_F(Pretrain, StopOnOneRank_stopsAllAtTheSameStepAndResumes) {
  RunConfig c = config();
  run_ranks(2, c, run("whole"));
  dist::run_threads(2, [&](dist::Communicator& world) {
    const core::Log log;
    StopRequest stop;
    if (world.rank() == 1) stop.request(10);
    const RunResult result = pretrain(c, {run("parts")}, world, log, stop);
    EXPECT_TRUE(result.stopped);
    EXPECT_EQ(result.step, 1);
  });
  EXPECT_TRUE(fs::exists(checkpoint_path(run("parts"), 1)));
  const RunResult result = run_ranks(2, c, run("parts"));
  EXPECT_EQ(result.first_step, 1);
  expect_same_files(checkpoint_path(run("whole"), 20), checkpoint_path(run("parts"), 20));
}

TEST_F(Pretrain, AbsurdLearningRate_givesUpAndKeepsTheLastGoodCheckpoint) {
  RunConfig hot = config();
  hot.schedule = {.kind = ScheduleKind::linear, .peak = 1e36, .warmup_steps = 0, .steps = 50};
  hot.checkpoint_every = 1;
  const std::string message = error_of<core::NumericError>(hot, run("b"));
  EXPECT_NE(message.find("5 steps in a row"), std::string::npos) << message;
  const std::vector<double> skipped = metrics_column(run("b"), kSkippedColumn);
  ASSERT_GE(skipped.size(), 5U);
  EXPECT_TRUE(std::all_of(skipped.end() - 5, skipped.end(), [](double x) { return x == 1.0; }));
  const FoundCheckpoint after = find_checkpoint(run("b") / "checkpoints");
  if (after.newest) {
    for (const float w : weights(run("b"), static_cast<int>(after.newest->note.progress.step))) {
      ASSERT_TRUE(std::isfinite(w));
    }
  }
  EXPECT_NE(core::read_text(run("b") / "events.jsonl").find("give_up"), std::string::npos);
}

TEST_F(Pretrain, PoisonedWeights_fiveSkipsThenNumericErrorOnAllRanks) {
  RunConfig c = config();
  c.train.steps = 4;
  run_solo(c, run("a"));
  poison(run("a"), 4, c);
  c.train.steps = 20;
  c.checkpoint_every = 1;
  std::mutex mutex;
  int failures = 0;
  dist::run_threads(2, [&](dist::Communicator& world) {
    const core::Log log;
    const StopRequest stop;
    try {
      pretrain(c, {run("a")}, world, log, stop);
    } catch (const core::NumericError&) {
      const std::lock_guard lock(mutex);
      ++failures;
    }
  });
  EXPECT_EQ(failures, 2);
  const std::vector<double> skipped = metrics_column(run("a"), kSkippedColumn);
  EXPECT_EQ(skipped, (std::vector<double>{0, 0, 0, 0, 1, 1, 1, 1, 1}));
  EXPECT_TRUE(fs::exists(checkpoint_path(run("a"), 4)));
  EXPECT_FALSE(fs::exists(checkpoint_path(run("a"), 5)));
}

TEST_F(Pretrain, ChangedMathematics_isRefusedByName) {
  RunConfig c = config();
  c.train.steps = 4;
  run_solo(c, run("a"));
  c.masks.dna_rate = 0.25F;
  c.train.steps = 8;
  const std::string message = error_of<core::ConfigError>(c, run("a"));
  EXPECT_NE(message.find("mask.dna_rate was 0.15"), std::string::npos) << message;
  EXPECT_NE(message.find("0.25 now"), std::string::npos) << message;
}

TEST_F(Pretrain, OtherStore_isRefused) {
  RunConfig c = config();
  c.train.steps = 4;
  run_solo(c, run("a"));
  const fs::path other = run("other-store");
  write_tiny_store(other);
  data::Manifest manifest = data::read_manifest(other);
  manifest.command = "another one";
  core::write_durably(other / data::kManifestName, std::string_view(data::to_json(manifest)));
  c.store = other.string();
  EXPECT_NE(error_of<core::ConfigError>(c, run("a")).find("not the store"), std::string::npos);
}

TEST_F(Pretrain, RanksThatDoNotDivide_failOnAllWithTheDivisors) {
  const RunConfig c = config();
  std::mutex mutex;
  int failures = 0;
  dist::run_threads(3, [&](dist::Communicator& world) {
    const core::Log log;
    const StopRequest stop;
    try {
      pretrain(c, {run("a")}, world, log, stop);
    } catch (const core::ConfigError& error) {
      const std::lock_guard lock(mutex);
      EXPECT_NE(std::string(error.what()).find("1, 2, 4"), std::string::npos) << error.what();
      ++failures;
    }
  });
  EXPECT_EQ(failures, 3);
}

TEST_F(Pretrain, RunFolderInUse_isRefusedWithoutTouchingIt) {
  const RunLock lock(run("a"));
  EXPECT_NE(error_of<core::UsageError>(config(), run("a")).find("is writing"), std::string::npos);
  EXPECT_FALSE(fs::exists(run("a") / "metrics.csv"));
}

/// DNA loss and gradient norm of the first step, with the given treatment of repeats.
std::pair<double, double> first_step(RunConfig config, kernels::Repeats repeats, float weight,
                                     const fs::path& out, int ranks = 1) {
  config.train.steps = 1;
  config.state_weight = 0.0;
  config.masks.state_rate = 0.0F;
  config.masks.repeats = repeats;
  config.masks.repeat_weight = weight;
  run_ranks(ranks, config, out);
  return {metrics_column(out, kDnaLossColumn).at(0), metrics_column(out, kNormColumn).at(0)};
}

// With weight w the loss is (a + w b) / (1 + w c), for some a, b, c: three weights give them, a
// fourth tests them.
TEST_F(Pretrain, DownweightedRepeats_lossIsTheWeightedMean) {
  const fs::path store = run("repeats");
  write_tiny_store(store, {.repeat_bp = 60, .repeat_period_bp = 100});
  const auto loss = [&](float weight, int ranks = 1) {
    return first_step(tiny_config(store), kernels::Repeats::downweight, weight,
                      run("w" + std::to_string(weight) + "-" + std::to_string(ranks)), ranks)
        .first;
  };
  const double one = loss(1.0F);
  const double half = loss(0.5F);
  const double eighth = loss(0.125F);
  const double fourth = loss(0.25F);
  EXPECT_EQ(one, first_step(tiny_config(store), kernels::Repeats::keep, 0.1F, run("keep")).first);
  EXPECT_NE(one, half);
  // a + w b - w c L = L for each weight w and its loss L; elimination from the first three.
  const double p = (one - half) / 0.5;  // b - c (one - half / 2) / (1 / 2) and so on
  const double q = (half - eighth) / 0.375;
  const double u = (one - 0.5 * half) / 0.5;
  const double v = (0.5 * half - 0.125 * eighth) / 0.375;
  const double c = (p - q) / (v - u);
  const double b = p + c * u;
  const double a = one * (1.0 + c) - b;
  EXPECT_GT(c, 0.5) << "60 % of the bases lie in repeats";
  EXPECT_LT(c, 4.0);
  EXPECT_NEAR(fourth, (a + 0.25 * b) / (1.0 + 0.25 * c), 2e-5);
  EXPECT_NEAR(loss(0.25F, 2), fourth, 1e-6) << "over ranks";
}

// A weight that all targets share leaves both loss and gradient as they are.
TEST_F(Pretrain, DownweightedRepeats_wholeGenome_changeNothing) {
  const fs::path store = run("repeats");
  write_tiny_store(store, {.repeat_bp = 100, .repeat_period_bp = 100});
  const auto [loss, norm] =
      first_step(tiny_config(store), kernels::Repeats::keep, 0.1F, run("keep"));
  const auto [lighter, lighter_norm] =
      first_step(tiny_config(store), kernels::Repeats::downweight, 0.1F, run("lighter"), 2);
  EXPECT_NEAR(lighter, loss, 1e-5 * loss);
  EXPECT_NEAR(lighter_norm, norm, 1e-4 * norm);
  const auto [none, none_norm] =
      first_step(tiny_config(store), kernels::Repeats::exclude, 0.1F, run("none"));
  EXPECT_EQ(none, 0.0) << "without targets the loss is 0";
  EXPECT_EQ(none_norm, 0.0);
}

TEST_F(Pretrain, OneObjective_trainsAlone) {
  for (const bool dna : {true, false}) {
    RunConfig c = config();
    c.train.steps = 5;
    if (dna) {
      c.state_weight = 0.0;
      c.masks.state_rate = 0.0F;
    } else {
      c.dna_weight = 0.0;
      c.masks.dna_rate = 0.0F;
    }
    const RunResult result = run_solo(c, run(dna ? "dna" : "states"));
    EXPECT_EQ(result.validation->dna.targets > 0.0, dna);
    EXPECT_EQ(result.validation->state.targets > 0.0, !dna);
  }
}

// Validation that moves to training regions, or stops, would look like any other figure.
TEST_F(Pretrain, HeldOutRegionsWithoutAWindow_areAnError) {
  RunConfig c = config();
  c.train.steps = 1;
  c.store = run("unknown").string();
  write_tiny_store(c.store, {.unknown_bp = 6000});
  c.min_acgt = 0.5;
  const std::string poor = error_of<core::ConfigError>(c, run("a"));
  EXPECT_NE(poor.find("data.min_acgt = 0.5 leaves out all 31 windows of the valid regions"),
            std::string::npos)
      << poor;
  c.min_acgt = 0.0;
  EXPECT_EQ(error_of<core::ConfigError>(c, run("b")), "");
  data::Manifest manifest = data::read_manifest(c.store);
  manifest.regions[1] = {{1, 0, 100}};
  core::write_durably(fs::path(c.store) / data::kManifestName,
                      std::string_view(data::to_json(manifest)));
  const std::string narrow = error_of<core::ConfigError>(c, run("c"));
  EXPECT_NE(narrow.find("no window of 192 bp (tokens.length = 66) fits into the valid regions"),
            std::string::npos)
      << narrow;
}

}  // namespace
}  // namespace epi::train
