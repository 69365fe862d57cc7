// Reproducible runs: whatever ranks x threads x micro-batches a step is cut into, and wherever a
// run is stopped and resumed, weights, moments, metrics and scores have the same bits. And elastic
// ones: any number of ranks trains on the same samples.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

/// One window in four of chrA lies in bases that nobody knows: no DNA target in it.
constexpr std::size_t kUnknownBp = 10000;

class Reproducible : public testing::Test {
 protected:
  Reproducible() : folder_("reproducible") {
    write_tiny_store(folder_.path() / "store", {.unknown_train_bp = kUnknownBp});
  }

  /// A fresh folder for a run.
  [[nodiscard]] fs::path fresh(const std::string& name) const {
    const fs::path run = folder_.path() / name;
    fs::remove_all(run);
    return run;
  }

  [[nodiscard]] RunConfig config() const {
    RunConfig c = tiny_config(folder_.path() / "store");
    c.train.reproducible = true;
    c.min_acgt = 0.0;
    c.evaluate_windows = 11;
    return c;
  }

 private:
  TestFolder folder_;
};

/// Runs on so many ranks, rank r with `threads[r % size]` threads.
RunResult run_on(int ranks, const std::vector<int>& threads, const RunConfig& config,
                 const fs::path& out) {
  RunResult result;
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    RunConfig mine = config;
    mine.train.threads = threads[static_cast<std::size_t>(world.rank()) % threads.size()];
    const core::Log log;
    const StopRequest stop;
    const RunResult done = pretrain(mine, {.out = out}, world, log, stop);
    if (world.rank() == 0) result = done;
  });
  return result;
}

/// metrics.csv without the two columns of time.
std::vector<std::string> untimed(const fs::path& run) {
  std::ifstream in(run / "metrics.csv");
  std::vector<std::string> rows;
  for (std::string line; std::getline(in, line);) {
    const std::size_t fingerprint = line.rfind(',');
    const std::size_t seconds = line.rfind(',', fingerprint - 1);
    const std::size_t tokens_per_s = line.rfind(',', seconds - 1);
    rows.push_back(line.substr(0, tokens_per_s) + line.substr(fingerprint));
  }
  return rows;
}

/// What differs between two runs that ended at this step; "" when every bit is the same.
std::string difference(const fs::path& a, const fs::path& b, int step) {
  for (const char* file : {"model.safetensors", "optimizer.bin"}) {
    if (core::read_text(checkpoint_path(a, step) / file) !=
        core::read_text(checkpoint_path(b, step) / file)) {
      return file;
    }
  }
  return untimed(a) == untimed(b) ? "" : "metrics.csv";
}

std::string fingerprint_of_row(const fs::path& run, std::size_t step) {
  const std::string row = untimed(run).at(step);
  return row.substr(row.rfind(',') + 1);
}

// Accumulation, ranks and threads at random; few states to predict and windows of N alone make
// micro-batches with many, few and no targets.
RC_GTEST_FIXTURE_PROP(Reproducible, AnyCutOfAStep_givesTheBitsOfOneProcess, ()) {
  RunConfig c = config();
  const int ranks = 1 << *rc::gen::inRange(1, 4);
  const int groups = ranks << *rc::gen::inRange(0, 2);
  const int in_group = *rc::gen::element(1, 1, 2, 3, 5);
  c.train.micro_batch = *rc::gen::inRange(1, 4);
  c.train.global_batch = c.train.micro_batch * groups * in_group;
  c.train.seed = *rc::gen::inRange<std::uint64_t>(1, 1000);
  c.train.steps = 3;
  c.masks.dna_rate = *rc::gen::element(0.02F, 0.15F);
  c.state_weight = *rc::gen::element(0.0, 1.0);
  if (c.state_weight == 0.0) c.masks.state_rate = 0.0F;
  c.optimizer.kind = *rc::gen::element(kernels::Optimizer::adamw, kernels::Optimizer::lamb);
  const auto threads = *rc::gen::container<std::vector<int>>(3, rc::gen::inRange(1, 4));
  const fs::path one = fresh("one");
  const fs::path many = fresh("many");
  const RunResult truth = run_on(1, {1}, c, one);
  const RunResult result = run_on(ranks, threads, c, many);
  RC_ASSERT(difference(one, many, 3) == "");
  RC_ASSERT(result.validation->dna.nll == truth.validation->dna.nll);
  RC_ASSERT(result.validation->state.nll == truth.validation->state.nll);
}

TEST_F(Reproducible, ResumedOnOtherPowersOfTwo_endsWithTheBitsOfOneProcess) {
  RunConfig c = config();
  c.train.global_batch = 48;  // 24 micro-batches: eight groups of three
  c.train.steps = 5;
  const fs::path whole = fresh("whole");
  const fs::path parts = fresh("parts");
  run_on(1, {2}, c, whole);
  int step = 0;
  for (const int ranks : {4, 1, 8, 2, 4}) {
    c.train.steps = ++step;
    EXPECT_EQ(run_on(ranks, {1, 2}, c, parts).first_step, step - 1);
  }
  EXPECT_EQ(difference(whole, parts, 5), "");
}

// Three ranks share 24 windows in other groups, and eight have three windows each, one at a time.
TEST_F(Reproducible, ElasticRun_onAnyRanks_trainsOnTheSameSamples) {
  RunConfig c = config();
  c.train.reproducible = false;
  c.train.precision = Precision::fp32;
  c.train.global_batch = 24;
  c.train.steps = 6;
  const fs::path whole = fresh("elastic-whole");
  const fs::path parts = fresh("elastic-parts");
  run_on(1, {1}, c, whole);
  int step = 0;
  for (const int ranks : {4, 1, 3, 8, 2, 6}) {
    c.train.steps = ++step;
    run_on(ranks, {1}, c, parts);
  }
  const std::vector<double> truth = metrics_column(whole, kLossColumn);
  const std::vector<double> loss = metrics_column(parts, kLossColumn);
  ASSERT_EQ(loss.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(loss[i], truth[i], 1e-4 * truth[i]);
    EXPECT_EQ(fingerprint_of_row(parts, i + 1), fingerprint_of_row(whole, i + 1)) << i;
  }
  EXPECT_NE(fingerprint_of_row(whole, 1), fingerprint_of_row(whole, 2));
  EXPECT_EQ(open_checkpoint(checkpoint_path(parts, 6)).note.progress.fingerprint,
            open_checkpoint(checkpoint_path(whole, 6)).note.progress.fingerprint);
}

/// What ranks say of reproducibility in spite of --quiet; other warnings are left out.
std::string warnings_on(int ranks, const RunConfig& config, const fs::path& out) {
  std::FILE* const file = std::tmpfile();
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    const core::Log log(file, world.rank(), core::LogLevel::quiet);
    const StopRequest stop;
    (void)pretrain(config, {.out = out}, world, log, stop);
  });
  std::string text(static_cast<std::size_t>(std::ftell(file)), ' ');
  std::rewind(file);
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  std::istringstream lines(text);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("reproducible") != std::string::npos) found += line + "\n";
  }
  return found;
}

BitsSoFar bits_at(const fs::path& run, int step) {
  return open_checkpoint(checkpoint_path(run, step)).note.bits;
}

// 12 micro-batches: four ranks have whole subtrees, three don't.
TEST_F(Reproducible, PromiseThatIsNotKept_isWarnedOf_inBothDirections) {
  constexpr const char* kLost = "this run was reproducible and goes on without";
  constexpr const char* kNeverWas = "this run was not reproducible before";
  RunConfig c = config();
  c.train.global_batch = 24;
  c.train.precision = Precision::fp32;
  const fs::path run = fresh("promise");
  const auto go = [&](int ranks, bool asked) {
    ++c.train.steps;
    c.train.reproducible = asked;
    return warnings_on(ranks, c, run);
  };
  c.train.steps = 0;
  EXPECT_EQ(go(2, true), "");
  EXPECT_EQ(bits_at(run, 1), BitsSoFar::promised);
  EXPECT_EQ(go(4, false), "") << "on the CPU these have the same bits";
  EXPECT_EQ(bits_at(run, 2), BitsSoFar::promised);
  const std::string lost = go(3, false);
  EXPECT_NE(lost.find(kLost), std::string::npos) << lost;
  EXPECT_NE(lost.find("those of 3 ranks"), std::string::npos) << lost;
  EXPECT_EQ(bits_at(run, 3), BitsSoFar::of_these_ranks);
  EXPECT_EQ(go(2, false), "") << "said once";
  const std::string never_was = go(2, true);
  EXPECT_NE(never_was.find(kNeverWas), std::string::npos) << never_was;
  EXPECT_EQ(bits_at(run, 5), BitsSoFar::of_these_ranks);
}

TEST_F(Reproducible, RunThatNobodyPromised_goesOnWithoutAWord) {
  RunConfig c = config();
  c.train.global_batch = 24;
  c.train.precision = Precision::fp32;
  c.train.reproducible = false;
  c.train.steps = 1;
  const fs::path run = fresh("unpromised");
  EXPECT_EQ(warnings_on(4, c, run), "");
  EXPECT_EQ(bits_at(run, 1), BitsSoFar::of_any_ranks);
  c.train.steps = 2;
  EXPECT_EQ(warnings_on(3, c, run), "");
  EXPECT_EQ(bits_at(run, 2), BitsSoFar::of_these_ranks);
}

TEST(BitsAfter_earlyCheckpoint_staysUnknown, untilRanksChangeIt) {
  EXPECT_EQ(bits_after(BitsSoFar::unknown, {.same = true, .asked = true}), BitsSoFar::unknown);
  EXPECT_EQ(bits_after(BitsSoFar::unknown, {}), BitsSoFar::of_these_ranks);
  EXPECT_EQ(reproducibility_warning(BitsSoFar::unknown, {.same = true, .asked = true}, 4, 2), "");
  EXPECT_EQ(reproducibility_warning(BitsSoFar::unknown, {}, 4, 3), "");
}

TEST(SumsAsAnyRanks_withoutTheSwitch_onTheCpuOnly, whereItWouldBeAllowed) {
  RunConfig c;
  c.train.global_batch = 24;
  c.train.micro_batch = 2;
  EXPECT_TRUE(sums_as_any_ranks(c, 4, core::kCpu));
  EXPECT_FALSE(sums_as_any_ranks(c, 3, core::kCpu));
  EXPECT_FALSE(sums_as_any_ranks(c, 1, core::Device{core::DeviceKind::cuda, 0}));
  c.train.exchange_precision = core::DType::bf16;
  EXPECT_FALSE(sums_as_any_ranks(c, 4, core::kCpu));
}

TEST_F(Reproducible, OtherSeed_hasAnotherFingerprint) {
  RunConfig c = config();
  c.train.steps = 1;
  const fs::path one = fresh("seed-one");
  const fs::path other = fresh("seed-other");
  run_on(1, {1}, c, one);
  c.train.seed = 12;
  run_on(1, {1}, c, other);
  EXPECT_NE(fingerprint_of_row(one, 1), fingerprint_of_row(other, 1));
}

TEST_F(Reproducible, RanksThatCannotContinueTheTree_areRefusedByAll) {
  RunConfig c = config();
  c.train.global_batch = 24;
  c.train.micro_batch = 2;
  for (const int ranks : {3, 8}) {
    dist::run_threads(ranks, [&](dist::Communicator& world) {
      const core::Log log;
      const StopRequest stop;
      EXPECT_THROW((void)pretrain(c, {.out = fresh("refused")}, world, log, stop),
                   core::ConfigError);
    });
  }
}

}  // namespace
}  // namespace epi::train
