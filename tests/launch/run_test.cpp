// launch/run against a stand-in for the program that ends as it is told: which exit codes start it
// again, when it gives up, with what code, and what becomes of signals. The real program under
// mpirun: survival_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "launch/program.hpp"

namespace epi::launch_test {
namespace {

namespace fs = std::filesystem;

/// Line n of `codes` is how start n ends: an exit code, kill, or hang (until USR1, then 75), and
/// whether it writes a checkpoint before.
constexpr const char* kStandIn = R"sh(#!/usr/bin/env bash
trap 'exit 75' USR1
echo "$@" >>starts
start=$(wc -l <starts)
read -r how saved < <(sed -n "${start}p" codes) || true
folder=out
if [ "$1" = sweep ]; then folder=out/cell-000012; fi
if [ -n "$saved" ]; then mkdir -p "$folder/checkpoints/step-00000000$start"; fi
case $how in
  kill) kill -KILL $$ ;;
  hang) touch ready; for i in $(seq 300); do sleep 0.1; done; exit 1 ;;
  *) exit "$how" ;;
esac
)sh";

class LaunchRun : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name());
    write(folder_ / "program", kStandIn);
    ASSERT_EQ(run("chmod +x program", folder_).code, 0);
  }

  /// The script with this plan; `meanwhile` runs beside it, with $job its process id.
  [[nodiscard]] Outcome launch(const std::string& codes, const std::string& options = "",
                               const std::string& meanwhile = "", const std::string& settings = "",
                               const std::string& arguments = "config.toml --out out") const {
    write(folder_ / "codes", codes);
    std::string line = settings +
                       " EPITRAIN=$PWD/program '" EPI_SCRIPTS "/run' --launcher '' --pause 0 " +
                       options + " " + arguments;
    if (!meanwhile.empty()) line += " & job=$! ; " + meanwhile + " ; wait $job";
    return run(line, folder_);
  }

  [[nodiscard]] std::ptrdiff_t starts() const {
    const std::string text = read(folder_ / "starts");
    return std::count(text.begin(), text.end(), '\n');
  }

  fs::path folder_;
};

constexpr const char* kUntilReady =
    "for i in $(seq 300); do [ -f ready ] && break; sleep 0.1; done; ";

TEST_F(LaunchRun, done_isOneStartWithTheArgumentsOfPretrain) {
  const Outcome outcome = launch("0\n");
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(read(folder_ / "starts"), "pretrain config.toml --out out\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(LaunchRun, failedPeer_isStartedAgainUntilDone) {
  const Outcome outcome = launch("76\nkill saved\n79\n137\n0\n");
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_EQ(starts(), 5);
}

// Progress is looked for in the cell's folder: in the sweep's, the second start would be the last.
TEST_F(LaunchRun, cellOfASweep_isStartedAgainAsTheCell) {
  for (const char* task : {"--task 12", "--task=012"}) {
    fs::remove(folder_ / "starts");
    fs::remove_all(folder_ / "out");
    const std::string arguments = "sweep grid.toml --out out " + std::string(task);
    const Outcome outcome =
        launch("76 saved\n137 saved\n79 saved\n76\n0\n", "--idle 2", "", "", arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.all();
    EXPECT_EQ(starts(), 5);
    EXPECT_EQ(read(folder_ / "starts").find(arguments + "\n" + arguments), 0U);
    EXPECT_NE(outcome.err.find("newest checkpoint is step-000000003"), std::string::npos);
  }
}

TEST_F(LaunchRun, mistakes_areNotRepeated) {
  for (const int code : {64, 65, 66, 69, 70, 74, 75, 77, 78}) {
    fs::remove(folder_ / "starts");
    const Outcome outcome = launch(std::to_string(code) + "\n0\n");
    EXPECT_EQ(outcome.code, code) << outcome.all();
    EXPECT_EQ(starts(), 1) << code;
  }
}

TEST_F(LaunchRun, folderStillLocked_byTheStartBefore_isTriedAgainLater) {
  const Outcome outcome =
      launch("76 saved\n64\n0\n", "",
             "for i in $(seq 300); do [ \"$(wc -l <starts)\" = 2 ] && break; sleep 0.1; done; "
             "sleep 1; kill -TERM $job");
  EXPECT_EQ(outcome.code, 75) << outcome.all();
  EXPECT_NE(outcome.err.find("ended with 64"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("starting again in 60 s"), std::string::npos) << outcome.err;
}

TEST_F(LaunchRun, folderNamedLikeAPattern_showsItsCheckpoints) {
  write(folder_ / "codes", "76 saved\n76\n");
  const Outcome outcome = run("ln -s out 'o[1]'; EPITRAIN=$PWD/program '" EPI_SCRIPTS
                              "/run' --launcher '' --pause 0 --idle 1 config.toml --out 'o[1]'",
                              folder_);
  EXPECT_EQ(outcome.code, 76) << outcome.all();
  EXPECT_EQ(starts(), 2);
  EXPECT_NE(outcome.err.find("newest checkpoint is step-000000001"), std::string::npos)
      << outcome.err;
}

// A slow `sort` holds the script up on its way to the first start.
TEST_F(LaunchRun, wishToStop_whileAStartIsMadeReady_isNotLost) {
  fs::create_directories(folder_ / "out" / "checkpoints");
  fs::create_directories(folder_ / "slow");
  write(folder_ / "slow" / "sort",
        "#!/bin/sh\ntouch preparing ../../preparing; sleep 1; exec cat\n");
  ASSERT_EQ(run("chmod +x slow/sort", folder_).code, 0);
  const Outcome outcome =
      launch("hang\n", "",
             "for i in $(seq 300); do [ -f preparing ] && break; sleep 0.1; done; kill -TERM $job",
             "PATH=$PWD/slow:$PATH");
  EXPECT_EQ(outcome.code, 75) << outcome.all();
  EXPECT_EQ(starts(), 0) << "nothing was worth starting any more";
}

TEST_F(LaunchRun, deviceOrDisk_thatFailedAfterACheckpoint_isTriedOnceMore) {
  for (const char* code : {"69", "70", "74"}) {
    fs::remove(folder_ / "starts");
    fs::remove_all(folder_ / "out");
    const Outcome outcome = launch(std::string(code) + " saved\n" + code + "\n0\n");
    EXPECT_EQ(outcome.code, std::atoi(code)) << outcome.all();
    EXPECT_EQ(starts(), 2) << code;
  }
}

TEST_F(LaunchRun, noProgress_givesUpAfterThreeStartsWith76) {
  const Outcome outcome = launch("76 saved\n137\nkill\n76\n0\n");
  EXPECT_EQ(outcome.code, 76) << outcome.all();
  EXPECT_EQ(starts(), 4);
  EXPECT_NE(outcome.err.find("3 starts in a row without a new checkpoint"), std::string::npos);
}

TEST_F(LaunchRun, rankKilledBySignal_is76WhenItGivesUp) {
  for (const char* codes : {"kill\n", "137\n", "139\n", "1\n"}) {
    fs::remove(folder_ / "starts");
    const Outcome outcome = launch(codes, "--restarts 0");
    EXPECT_EQ(outcome.code, 76) << codes << outcome.all();
    EXPECT_EQ(starts(), 1);
  }
}

TEST_F(LaunchRun, restarts_areLimited) {
  const Outcome outcome = launch("76 saved\n76 saved\n79 saved\n0\n", "--restarts 2");
  EXPECT_EQ(outcome.code, 79) << outcome.all();
  EXPECT_EQ(starts(), 3);
}

TEST_F(LaunchRun, everySignal_stopsTheRanksAndIs75) {
  // Not INT: what a shell runs in the background is deaf to it.
  for (const char* signal : {"TERM", "USR1", "USR2", "HUP"}) {
    for (const char* file : {"starts", "ready"}) fs::remove(folder_ / file);
    const Outcome outcome =
        launch("hang\n0\n", "", kUntilReady + ("kill -" + std::string(signal)) + " $job");
    EXPECT_EQ(outcome.code, 75) << signal << outcome.all();
    EXPECT_EQ(starts(), 1);
  }
}

TEST_F(LaunchRun, killedItself_leavesNobodyBehind) {
  const Outcome outcome = launch(
      "hang\n", "",
      std::string(kUntilReady) +
          "kill -KILL $job; for i in $(seq 100); do pgrep -f \"$PWD/program\" >left || break; "
          "sleep 0.1; done");
  EXPECT_EQ(outcome.code, 137) << outcome.all();
  EXPECT_EQ(read(folder_ / "left"), "");
}

TEST_F(LaunchRun, missingScratch_isAWarningAndSurvived) {
  const Outcome outcome = launch("0\n", "", "", "TMPDIR=$PWD/gone");
  EXPECT_EQ(outcome.code, 0) << outcome.all();
  EXPECT_NE(outcome.err.find("TMPDIR="), std::string::npos) << outcome.all();
}

TEST_F(LaunchRun, wrongLine_is64AndNoProgramIs66) {
  const auto code = [&](const std::string& arguments, const std::string& program) {
    return run("EPITRAIN=" + program + " '" EPI_SCRIPTS "/run' " + arguments, folder_).code;
  };
  EXPECT_EQ(code("", "./program"), 64);
  EXPECT_EQ(code("--restarts many c.toml --out out", "./program"), 64);
  EXPECT_EQ(code("--bogus 1 c.toml --out out", "./program"), 64);
  EXPECT_EQ(code("config.toml", "./program"), 64);
  EXPECT_EQ(code("-n 0 config.toml --out out", "./program"), 64);
  EXPECT_EQ(code("config.toml --out out", "./absent"), 66);
  EXPECT_EQ(code("--launcher './absent -x' config.toml --out out", "./program"), 66);
  EXPECT_EQ(code("sweep grid.toml --out out", "./program"), 64);
  EXPECT_EQ(code("sweep grid.toml --out out --task x", "./program"), 64);
  EXPECT_EQ(code("sweep", "./program"), 64);
}

TEST_F(LaunchRun, script_hasNoFaultsThatShellcheckSees) {
  if (run("command -v shellcheck", folder_).code != 0) GTEST_SKIP() << "no shellcheck";
  const Outcome outcome = run("shellcheck '" EPI_SCRIPTS "/run'", folder_);
  EXPECT_EQ(outcome.code, 0) << outcome.all();
}

}  // namespace
}  // namespace epi::launch_test
