// kill -9 at random instants, also inside the writing of checkpoints: every start goes on, and the
// run ends with the bits of one that nobody disturbed.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

constexpr const char* kSteps = "40";

pid_t start(const fs::path& store, const fs::path& run) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(EPI_TRAIN_DRIVER, EPI_TRAIN_DRIVER, store.c_str(), run.c_str(), kSteps, "1", nullptr);
    ::_exit(127);
  }
  return child;
}

// The exit code, or -signal.
int wait_for(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Kill_atRandomInstants, runEndsWithTheSameBits) {
  const TestFolder folder("kill");
  const fs::path store = folder.path() / "store";
  write_tiny_store(store);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(wait_for(start(store, folder.path() / "whole")), 0);
  const auto whole = std::chrono::steady_clock::now() - begin;

  const fs::path killed = folder.path() / "killed";
  int kills = 0;
  int code = -1;
  // A checkpoint each step: most of the time is spent writing them. Waits are drawn from up to a
  // tenth of a whole run at first and more later, so that some starts hardly begin and the last
  // ones end.
  for (std::size_t attempt = 0; attempt < 40 && code != 0; ++attempt) {
    const pid_t child = start(store, killed);
    const auto longest = whole * (attempt + 2) / 20;
    std::this_thread::sleep_for(longest * tiny_draw(50, attempt, 1000) / 1000);
    ::kill(child, SIGKILL);
    code = wait_for(child);
    ASSERT_TRUE(code == 0 || code == -SIGKILL) << "a start after a kill failed with " << code;
    kills += code == 0 ? 0 : 1;
  }
  if (code != 0) code = wait_for(start(store, killed));
  ASSERT_EQ(code, 0);
  EXPECT_GE(kills, 2);
  for (const char* file : {"model.safetensors", "optimizer.bin"}) {
    EXPECT_TRUE(core::read_text(checkpoint_path(folder.path() / "whole", 40) / file) ==
                core::read_text(checkpoint_path(killed, 40) / file))
        << file << " differs after " << kills << " kills";
  }
  EXPECT_EQ(metrics_column(folder.path() / "whole", kLossColumn),
            metrics_column(killed, kLossColumn));
}

}  // namespace
}  // namespace epi::train
