// The main job from text to figures on small input: prepare, inspect, verify, pretrain on two
// ranks, evaluate, stop and go on.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrepare =
    "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store";

/// Inputs and a store, made once for all tests of this file.
class Pipeline : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fresh_folder("pipeline");
    write_inputs(folder_);
    prepared_ = mpirun(2, kPrepare, folder_);
  }
  void SetUp() override { ASSERT_EQ(prepared_.code, 0) << prepared_.all(); }

  /// A copy of the inputs and the store that a test may damage.
  static fs::path copy(const std::string& name) {
    const fs::path folder = fresh_folder(name);
    fs::copy(folder_, folder, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
    return folder;
  }

  static fs::path folder_;
  static Outcome prepared_;
};
fs::path Pipeline::folder_;
Outcome Pipeline::prepared_;

TEST_F(Pipeline, prepare_onOneAndTwoRanks_makesTheSameShards) {
  const fs::path folder = fresh_folder("one-rank");
  write_inputs(folder);
  const Outcome outcome = epitrain(kPrepare, folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  int shards = 0;
  for (const auto& entry : fs::directory_iterator(folder / "store")) {
    if (entry.path().extension() != ".h5") continue;
    ++shards;
    EXPECT_EQ(read(entry.path()), read(folder_ / "store" / entry.path().filename()));
  }
  EXPECT_GT(shards, 0);
}

TEST_F(Pipeline, inspect_showsContigsCellsAndSplits) {
  const Outcome outcome = epitrain("inspect store --tokens 3/3/400", folder_);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  for (const char* part : {"60000", "20000", "cell X", "valid", "train"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
  }
}

TEST_F(Pipeline, verify_ofAFlippedByte_namesTheShard) {
  EXPECT_EQ(epitrain("verify store --deep", folder_).code, 0);
  const fs::path folder = copy("flipped");
  fs::path shard;
  for (const auto& entry : fs::directory_iterator(folder / "store")) {
    if (entry.path().extension() == ".h5") shard = entry.path();
  }
  std::string bytes = read(shard);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x04);
  write(shard, bytes);
  const Outcome outcome = epitrain("verify store --deep", folder);
  EXPECT_EQ(outcome.code, 65) << outcome.all();
  EXPECT_NE(outcome.err.find(shard.filename().string()), std::string::npos) << outcome.all();
}

TEST_F(Pipeline, dryRun_showsThePlanAndTrainsNothing) {
  const fs::path folder = copy("dry");
  const Outcome outcome = epitrain("pretrain config.toml --out run --dry-run", folder);
  ASSERT_EQ(outcome.code, 0) << outcome.all();
  for (const char* part : {"parameters", "windows", "tokens", "MiB", "steps"}) {
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << "\n" << outcome.out;
  }
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST_F(Pipeline, pretrainAndEvaluate_onTwoRanks_giveLossesBesideBaselines) {
  const fs::path folder = copy("train");
  const Outcome trained = mpirun(2, "pretrain config.toml --out run", folder);
  ASSERT_EQ(trained.code, 0) << trained.all();
  const std::string metrics = read(folder / "run" / "metrics.csv");
  EXPECT_GE(std::count(metrics.begin(), metrics.end(), '\n'), 7) << metrics;
  const Outcome evaluated = epitrain("evaluate run --split valid --windows 6", folder);
  ASSERT_EQ(evaluated.code, 0) << evaluated.all();
  for (const char* part : {"uniform", "unigram", "majority"}) {
    EXPECT_NE(evaluated.out.find(part), std::string::npos) << part << "\n" << evaluated.out;
  }
  const Outcome json = mpirun(2, "evaluate run --split valid --windows 6 --json", folder);
  ASSERT_EQ(json.code, 0) << json.all();
  EXPECT_TRUE(nlohmann::json::parse(json.out).is_object());
}

TEST_F(Pipeline, pretrain_afterUsr1_stopsWith75AndGoesOn) {
  const fs::path folder = copy("stop");
  // Signals once the first steps are logged; without that, gives up after a minute.
  const Outcome stopped = mpirun(
      2, "pretrain config.toml --out run --set train.steps=1000000", folder,
      "for i in $(seq 600); do sleep 0.1; [ $(cat run/metrics.csv 2>/dev/null | wc -l) -gt 3 ]"
      " && break; done; kill -USR1 $job");
  ASSERT_EQ(stopped.code, 75) << stopped.all();
  const auto steps = [&] {
    const std::string text = read(folder / "run" / "metrics.csv");
    return std::count(text.begin(), text.end(), '\n') - 1;
  };
  const std::int64_t before = steps();
  const Outcome resumed = epitrain(
      "pretrain config.toml --out run --set train.steps=" + std::to_string(before + 2), folder);
  EXPECT_EQ(resumed.code, 0) << resumed.all();
  EXPECT_GT(steps(), before);
}

// A rank that stands still is no rank that died: nothing fails, and nothing ever comes.
TEST_F(Pipeline, pretrain_withARankThatStandsStill_endsAllWith79InTime) {
  const fs::path folder = copy("hang");
  const Outcome outcome = mpirun(
      2,
      "pretrain config.toml --out run --set train.steps=1000000 train.hang_timeout=2 "
      "checkpoint.every=0 evaluate.every=0",  // so that it is a step which hangs
      folder,
      "for i in $(seq 600); do sleep 0.1; [ $(cat run/metrics.csv 2>/dev/null | wc -l) -gt 3 ]"
      " && break; done; kill -STOP $(pgrep -P $job | tail -1)");
  EXPECT_EQ(outcome.code, 79) << outcome.all();
  EXPECT_NE(outcome.err.find("nothing has moved for 2 s; it waits for step"), std::string::npos)
      << outcome.all();
}

TEST_F(Pipeline, pretrain_onRanksThatDoNotDivide_isOneMessageAndCode78) {
  const fs::path folder = copy("ranks");
  const Outcome outcome = mpirun(3, "pretrain config.toml --out run", folder);
  EXPECT_EQ(outcome.code, 78) << outcome.all();
  const std::string word = "epitrain: error: ";
  const std::size_t first = outcome.err.find(word);
  ASSERT_NE(first, std::string::npos) << outcome.all();
  EXPECT_EQ(outcome.err.find(word, first + 1), std::string::npos) << outcome.all();
}

}  // namespace
}  // namespace epi::launch_test
