// Processes from the outside: how a run starts, and how it ends when a rank fails.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string>

namespace epi::dist {
namespace {

struct Outcome {
  int status = -1;  ///< exit code; 124 when it hung
  std::string text;
};

/// Runs a shell command with a time limit in an environment without any launcher's variables.
Outcome run(const std::string& command) {
  const std::string clean =
      "for v in $(env | grep -oE '^(OMPI_COMM|PMIX|PMI|SLURM)_[A-Z0-9_]*'); do unset $v; done; ";
  const std::string whole = clean + "timeout 60 " + command + " 2>&1";
  std::FILE* pipe = popen(whole.c_str(), "r");
  Outcome outcome;
  char block[4096];
  while (const std::size_t got = std::fread(block, 1, sizeof block, pipe)) {
    outcome.text.append(block, got);
  }
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

const std::string kProbe = EPI_PROBE;
const std::string kMpirun = EPI_MPIRUN " -np 2 --bind-to none ";

TEST(Launch_withoutLauncher, isAWorldOfOne) {
  const Outcome outcome = run(kProbe + " size");
  EXPECT_EQ(outcome.text, "size 1\n");
  EXPECT_EQ(outcome.status, 0);
}

TEST(Launch_twoSingletons, areRefusedWithTheRightCommand) {
  const Outcome outcome = run("env OMPI_COMM_WORLD_SIZE=2 " + kProbe + " size");
  EXPECT_EQ(outcome.status, 64);
  EXPECT_NE(outcome.text.find("mpirun -np 2"), std::string::npos) << outcome.text;
}

TEST(Launch_srunWithoutPmix, isRefused) {
  const Outcome outcome = run("env SLURM_STEP_ID=0 SLURM_NTASKS=2 " + kProbe + " size");
  EXPECT_EQ(outcome.status, 64);
  EXPECT_NE(outcome.text.find("srun --mpi=pmix -n 2"), std::string::npos) << outcome.text;
}

TEST(Launch_mpirun, sumsTheProcesses) {
  const Outcome outcome = run(kMpirun + kProbe + " size");
  EXPECT_EQ(outcome.text, "size 2\nsize 2\n");
  EXPECT_EQ(outcome.status, 0);
}

TEST(Launch_abort, endsWaitingRanksWithItsCode) {
  EXPECT_EQ(run(kMpirun + kProbe + " abort").status, 75);
}

TEST(Launch_agreedFailure, givesTheSameCodeOnAllRanks) {
  const Outcome outcome = run(kMpirun + kProbe + " agree");
  EXPECT_EQ(outcome.status, 65);
  const std::string line = "error: rank 1: rank 1 failed\n";
  const std::size_t first = outcome.text.find(line);
  ASSERT_NE(first, std::string::npos) << outcome.text;
  EXPECT_NE(outcome.text.find(line, first + 1), std::string::npos) << outcome.text;
}

TEST(Launch_oneRankUnwinds, endsTheJobInsteadOfHanging) {
  const Outcome outcome = run(kMpirun + kProbe + " throw");
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.status, 124) << outcome.text;
}

/// Runs a probe whose rank 1 stops, and looks for processes that are left. `took_s` is its time.
Outcome run_and_look_around(const std::string& job, double& took_s) {
  // An argument that no other process has names the processes of this run.
  const std::string token = "probe-of-" + std::to_string(getpid());
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome = run(kMpirun + kProbe + " " + job + " " + token);
  took_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_NE(run("pgrep -f " + kProbe + ".*[" + token.substr(0, 1) + "]" + token.substr(1)).status,
            0)
      << "a process was left behind";
  return outcome;
}

TEST(Launch_oneRankHangs, endsTheJobWith79WithinTheLimit) {
  double took_s = 0.0;
  const Outcome outcome = run_and_look_around("hang", took_s);
  EXPECT_EQ(outcome.status, 79) << outcome.text;
  EXPECT_NE(outcome.text.find("it waits for step 20, in a barrier; rank 1 has not come"),
            std::string::npos)
      << outcome.text;
  EXPECT_LT(took_s, 10.0);  // the limit is 1 s; the rest is the launcher's
}

/// A process that the system has stopped says nothing itself; the others do.
TEST(Launch_oneRankIsStopped, endsTheJobWith79AndNamesRankStepAndCollective) {
  double took_s = 0.0;
  const Outcome outcome = run_and_look_around("stopped", took_s);
  EXPECT_EQ(outcome.status, 79) << outcome.text;
  EXPECT_NE(
      outcome.text.find("rank 0: nothing has moved for 1 s; it waits for step 20, in a sum of "
                        "1.0 MB; rank 1 has not come"),
      std::string::npos)
      << outcome.text;
  EXPECT_LT(took_s, 20.0);
}

/// The launcher itself ends the others then, and says so by the signal: 128 + 9.
TEST(Launch_oneRankIsKilled, endsTheJobWithinTheLimit) {
  double took_s = 0.0;
  const Outcome outcome = run_and_look_around("killed", took_s);
  EXPECT_EQ(outcome.status, 137) << outcome.text;
  EXPECT_LT(took_s, 10.0);
}

}  // namespace
}  // namespace epi::dist
