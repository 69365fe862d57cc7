// Whole runs with LAMB: they learn, the number of ranks changes nothing but rounding, resuming
// changes nothing at all, a device does as the CPU does, and the optimizer is part of a run.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.hpp"
#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

class LambRun : public testing::Test {
 protected:
  LambRun() : folder_("lamb"), store_(folder_.path() / "store") { write_tiny_store(store_); }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] RunConfig config() const {
    RunConfig c = tiny_device_config(store_);
    c.optimizer.kind = kernels::Optimizer::lamb;
    c.schedule.peak = 0.03;
    c.train.steps = 12;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

TEST_F(LambRun, SixtySteps_learn) {
  RunConfig c = config();
  c.train.steps = 60;
  c.schedule.steps = 60;
  run_ranks(1, c, run("a"));
  const std::vector<double> loss = metrics_column(run("a"), kLossColumn);
  ASSERT_EQ(loss.size(), 60U);
  EXPECT_LT(loss.back(), loss.front() - 0.3);
}

TEST_F(LambRun, RanksAndDevices_sameLosses) {
  RunConfig c = config();
  c.train.steps = 6;
  run_ranks(1, c, run("1"));
  const std::vector<double> truth = metrics_column(run("1"), kLossColumn);
  run_ranks(4, c, run("4"));
  expect_near(metrics_column(run("4"), kLossColumn), truth, 2e-4);
  run_ranks(2, c, run("gpu"), kGpu);
  expect_near(metrics_column(run("gpu"), kLossColumn), truth, 2e-4);
}

TEST_F(LambRun, Resumed_sameBits) {
  RunConfig c = config();
  run_ranks(2, c, run("whole"));
  c.train.steps = 5;
  run_ranks(2, c, run("parts"));
  c.train.steps = 12;
  run_ranks(2, c, run("parts"));
  expect_same_files(checkpoint_path(run("whole"), 12), checkpoint_path(run("parts"), 12));
}

TEST_F(LambRun, ResumedWithAdamW_isRefused) {
  RunConfig c = config();
  c.train.steps = 2;
  run_ranks(1, c, run("a"));
  c.optimizer.kind = kernels::Optimizer::adamw;
  c.train.steps = 4;
  try {
    run_ranks(1, c, run("a"));
    FAIL() << "the moments of one optimizer are not the other's";
  } catch (const core::ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("optimizer.name"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace epi::train
