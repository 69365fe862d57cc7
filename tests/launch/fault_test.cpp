// Faults of a whole job, with the built program under mpirun: ranks that are not alike, ranks and
// launchers that die, signals to any of them, a scratch folder that is gone. One error and a
// documented code each time, nobody left behind, and the run goes on with the same bits.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMpirun = "'" EPI_MPIEXEC "' --bind-to none ";
constexpr const char* kProgram = " '" EPI_PROGRAM "' ";
// Long enough for everything that is done to it meanwhile.
constexpr const char* kEndless =
    "pretrain config.toml --out run --set train.micro_batch=1 --set train.steps=1000000";
constexpr const char* kTrain = "pretrain config.toml --out run --set train.micro_batch=1";
// Until the first checkpoint is there, a minute at most.
constexpr const char* kUntilSaved =
    "for i in $(seq 600); do sleep 0.1; ls run/checkpoints 2>/dev/null | grep -qx 'step-[0-9]*'"
    " && break; done; ";

class Faults : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    store_ = fresh_folder("faults");
    write_inputs(store_);
    prepared_ = epitrain(
        "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store",
        store_);
  }
  void SetUp() override {
    ASSERT_EQ(prepared_.code, 0) << prepared_.all();
    folder_ = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::copy(store_, folder_, fs::copy_options::recursive);
  }

  /// Two ranks with these arguments each.
  [[nodiscard]] Outcome pair(const std::string& first, const std::string& second) const {
    return run(std::string(kMpirun) + "-np 1 " + first + " : -np 1 " + second, folder_);
  }
  /// One error message, from one rank, with these words.
  static void expect_error(const Outcome& outcome, int code, const std::string& words) {
    EXPECT_EQ(outcome.code, code) << outcome.all();
    EXPECT_NE(outcome.err.find(words), std::string::npos) << outcome.all();
    const std::size_t at = outcome.err.find("epitrain: error: ");
    ASSERT_NE(at, std::string::npos) << outcome.all();
    EXPECT_EQ(outcome.err.find("epitrain: error: ", at + 1), std::string::npos) << outcome.all();
  }
  /// An endless run of four ranks to which `harm` is done after its first checkpoint: a shell line
  /// with $job, mpirun, and $ranks, all as process ids. How long the last rank lived on goes to
  /// "gone_ms".
  [[nodiscard]] Outcome harmed(const std::string& harm) const {
    return mpirun(4, kEndless, folder_,
                  kUntilSaved + ("ranks=$(pgrep -P $job); t=$(date +%s%N); " + harm) +
                      "; for rank in $ranks; do while kill -0 $rank 2>/dev/null; do sleep 0.05; "
                      "done; done; echo $((($(date +%s%N) - t) / 1000000)) >gone_ms");
  }
  void expect_gone() const {
    const std::string text = read(folder_ / "gone_ms");
    ASSERT_FALSE(text.empty());
    EXPECT_LT(std::stoi(text), 30000);
  }
  /// The next start takes the newest checkpoint up and ends well.
  void expect_goes_on() const {
    const std::string text = read(folder_ / "run" / "metrics.csv");
    const std::int64_t steps = std::count(text.begin(), text.end(), '\n') + 3;
    const Outcome resumed =
        mpirun(4, std::string(kTrain) + " --set train.steps=" + std::to_string(steps), folder_);
    EXPECT_EQ(resumed.code, 0) << resumed.all();
    EXPECT_NE(resumed.err.find("resuming from"), std::string::npos) << resumed.all();
  }

  inline static fs::path store_;
  inline static Outcome prepared_;
  fs::path folder_;
};

TEST_F(Faults, unlikeConfigurations_is78AndNamesTheKey) {
  const std::string command = std::string(kProgram) + "pretrain config.toml --out run";
  expect_error(pair(command, command + " --set train.seed=9"), 78,
               "unlike configurations: train.seed = 1 on rank 0");
}

TEST_F(Faults, wrongLineOfOneRank_is64OnAll) {
  const std::string command = std::string(kProgram) + "pretrain config.toml --out run";
  expect_error(pair(command, command + " --bogus"), 64, "--bogus");
}

TEST_F(Faults, storeAtAnotherPlace_isNoDifference) {
  fs::copy(folder_ / "store", folder_ / "copy", fs::copy_options::recursive);
  const std::string command = std::string(kProgram) + "pretrain config.toml --out run";
  const Outcome outcome = pair(command, command + " --set data.store=copy");
  EXPECT_EQ(outcome.code, 0) << outcome.all();
}

TEST_F(Faults, unlikeStores_is65AndNamesTheFingerprints) {
  const Outcome other = epitrain(
      "prepare --genome genome.fa --states sheet.tsv --valid a --valid-cells Z --out other",
      folder_);
  ASSERT_EQ(other.code, 0) << other.all();
  const std::string command = std::string(kProgram) + "pretrain config.toml --out run";
  expect_error(pair(command, command + " --set data.store=other"), 65, "unlike stores");
}

// As an older copy on one node: the same bytes but for the name of the revision.
TEST_F(Faults, unlikePrograms_is64AndNamesTheRevisions) {
  const Outcome copied = run("LC_ALL=C sed 's/ (git / (GIT /g' '" EPI_PROGRAM
                             "' >older && chmod +x older && ./older --version",
                             folder_);
  ASSERT_EQ(copied.code, 0) << copied.all();
  ASSERT_NE(copied.out.find("(GIT "), std::string::npos) << copied.out;
  const std::string rest = " pretrain config.toml --out run";
  expect_error(pair(kProgram + rest, "./older" + rest), 64, "unlike programs");
}

TEST_F(Faults, killedRank_endsTheOthersAndTheRunGoesOn) {
  const Outcome outcome = harmed("kill -KILL $(echo $ranks | cut -d' ' -f4)");
  EXPECT_EQ(outcome.code, 137) << outcome.all();
  expect_gone();
  expect_goes_on();
}

TEST_F(Faults, killedLauncher_leavesNoRankBehind) {
  const Outcome outcome = harmed("kill -KILL $job");
  EXPECT_EQ(outcome.code, 137) << outcome.all();
  expect_gone();
  expect_goes_on();
}

TEST_F(Faults, signalToOneRank_stopsAllWith75) {
  for (const char* signal : {"TERM", "USR1", "USR2", "HUP"}) {
    fs::remove_all(folder_ / "run");
    const Outcome outcome =
        harmed("kill -" + std::string(signal) + " $(echo $ranks | cut -d' ' -f2)");
    EXPECT_EQ(outcome.code, 75) << signal << outcome.all();
  }
  expect_goes_on();
}

TEST_F(Faults, signalToMpirun_stopsAllWith75) {
  for (const char* signal : {"USR1", "USR2"}) {
    fs::remove_all(folder_ / "run");
    const Outcome outcome = harmed("kill -" + std::string(signal) + " $job");
    EXPECT_EQ(outcome.code, 75) << signal << outcome.all();
  }
  expect_goes_on();
}

TEST_F(Faults, launchRun_afterKillsOfRanks_endsWithTheSameBits) {
  const std::string rest =
      " config.toml --set train.micro_batch=1 --set train.steps=40 --set "
      "checkpoint.every=2 --set evaluate.every=0 --out ";
  const Outcome whole = mpirun(4, "pretrain" + rest + "whole", folder_);
  ASSERT_EQ(whole.code, 0) << whole.all();
  // Two ranks are killed: at the first checkpoint that is seen, and at one that is newer.
  const std::string kill =
      "for wish in 2 8; do for i in $(seq 600); do [ -d run/checkpoints ] && [ $(ls run/checkpoints"
      " | tail -n 1 | tr -dc 0-9 | sed 's/^0*//;s/^$/0/') -ge $wish ] && break; sleep 0.02; done; "
      "pkill -KILL -n -f '^" EPI_PROGRAM " pretrain.*/run$'; done 2>/dev/null";
  const Outcome outcome = run("EPITRAIN='" EPI_PROGRAM "' '" EPI_SCRIPTS "/run' -n 4 --pause 0" +
                                  rest + "$PWD/run & job=$!; " + kill + "; wait $job",
                              folder_);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_NE(outcome.err.find("starting again"), std::string::npos) << outcome.all();
  for (const char* file : {"model.safetensors", "optimizer.bin"}) {
    EXPECT_TRUE(read(folder_ / "whole/checkpoints/step-000000040" / file) ==
                read(folder_ / "run/checkpoints/step-000000040" / file))
        << file;
  }
}

TEST_F(Faults, missingScratchFolder_isSurvived) {
  const Outcome outcome = run("TMPDIR=/proc/gone EPITRAIN='" EPI_PROGRAM "' '" EPI_SCRIPTS
                              "/run' -n 2 config.toml --out run",
                              folder_);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_NE(outcome.err.find("warning: TMPDIR=/proc/gone"), std::string::npos) << outcome.all();
}

// A few here; thirty by hand, see the script.
TEST_F(Faults, killsAtRandomInstants_endWithTheSameBits) {
  const Outcome outcome =
      run("'" EPI_SOURCE_DIR
          "/tests/launch/kill-runs' --kills 5 --config config.toml --program '" EPI_PROGRAM
          "' --seed $$",
          folder_);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_NE(outcome.out.find("all bits the same"), std::string::npos) << outcome.all();
}

}  // namespace
}  // namespace epi::launch_test
