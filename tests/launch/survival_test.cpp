// A run that its user, its batch system or its disk stops: what the program says, its exit code,
// and that the same command goes on to the same bits.
#include <gtest/gtest.h>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLast = "checkpoints/step-000000006";

class LaunchSurvival : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = fresh_folder("survival");
    write_inputs(folder_);
    prepared_ = epitrain(
        "prepare --genome genome.fa --states sheet.tsv --valid b --valid-cells Z --out store",
        folder_);
    if (prepared_.code == 0) prepared_ = epitrain("pretrain config.toml --out whole", folder_);
  }
  void SetUp() override { ASSERT_EQ(prepared_.code, 0) << prepared_.all(); }

  /// The run `out` goes on and ends as the undisturbed one.
  static void expect_finishes(const std::string& out) {
    const Outcome outcome = epitrain("pretrain config.toml --out " + out, folder_);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    for (const char* file : {"model.safetensors", "optimizer.bin"}) {
      EXPECT_TRUE(read(folder_ / out / kLast / file) == read(folder_ / "whole" / kLast / file))
          << file << " of " << out << " differs";
    }
  }
  static bool says(const Outcome& outcome, const std::string& what) {
    return outcome.err.find(what) != std::string::npos;
  }

  static fs::path folder_;
  static Outcome prepared_;
};
fs::path LaunchSurvival::folder_;
Outcome LaunchSurvival::prepared_;

TEST_F(LaunchSurvival, MaxTime_savesAndEndsWith75) {
  const Outcome outcome = epitrain("pretrain config.toml --out time --max-time 0.001s", folder_);
  EXPECT_EQ(outcome.code, 75) << outcome.all();
  EXPECT_TRUE(says(outcome, "stopped after train.max_time (0.001 s) at step 1")) << outcome.err;
  EXPECT_TRUE(says(outcome, "goodput ")) << outcome.err;
  expect_finishes("time");
}

TEST_F(LaunchSurvival, MaxTimeThatIsNone_isAWrongConfiguration) {
  const Outcome outcome = epitrain("pretrain config.toml --out no --max-time soon", folder_);
  EXPECT_EQ(outcome.code, 78) << outcome.all();
  EXPECT_TRUE(says(outcome, "train.max_time = soon")) << outcome.err;
}

// Of a job of so few seconds a quarter is kept for the end; its run would go on for minutes.
TEST_F(LaunchSurvival, EndOfTheSlurmJob_savesAndEndsWith75) {
  const Outcome outcome = run("SLURM_JOB_END_TIME=$(($(date +%s) + 5)) " EPI_PROGRAM
                              " pretrain config.toml --out slurm --set train.steps=20000",
                              folder_);
  EXPECT_EQ(outcome.code, 75) << outcome.all();
  EXPECT_TRUE(says(outcome, "before the job's end at step ")) << outcome.err;
  EXPECT_FALSE(fs::is_empty(folder_ / "slurm/checkpoints"));
}

TEST_F(LaunchSurvival, EndOfTheSlurmJobThatIsNoTime_isIgnoredWithOneWarning) {
  const Outcome outcome =
      run("SLURM_JOB_END_TIME=tomorrow " EPI_PROGRAM " pretrain config.toml --out odd --quiet",
          folder_);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  const std::string warning = "SLURM_JOB_END_TIME=tomorrow is no time";
  const std::size_t at = outcome.err.find(warning);
  EXPECT_NE(at, std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find(warning, at + 1), std::string::npos) << outcome.err;
}

TEST_F(LaunchSurvival, EndOfTheSlurmJobFarAway_changesNothing) {
  const Outcome outcome = run("SLURM_JOB_END_TIME=$(($(date +%s) + 86400)) " EPI_PROGRAM
                              " pretrain config.toml --out far",
                              folder_);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
}

// The shell's limit on the size of files, in blocks of 512 bytes: metrics fit, weights don't.
TEST_F(LaunchSurvival, DiskTooSmallForACheckpoint_endsWith74AndIsGoneOnFrom) {
  const Outcome outcome =
      run("ulimit -f 20; " EPI_PROGRAM " pretrain config.toml --out full", folder_);
  EXPECT_EQ(outcome.code, 74) << outcome.all();
  EXPECT_TRUE(says(outcome, "warning: no checkpoint of step 3: ")) << outcome.err;
  EXPECT_TRUE(says(outcome, "the checkpoint of step 6 could not be written (the last one)"))
      << outcome.err;
  EXPECT_TRUE(says(outcome, "File too large")) << outcome.err;
  expect_finishes("full");
}

}  // namespace
}  // namespace epi::launch_test
