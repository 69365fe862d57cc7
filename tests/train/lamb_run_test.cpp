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
    RunConfig c = tiny_config(store_);
    c.tokens.length = 34;
    c.model.positions = c.tokens.length;
    c.model.hidden = 32;  // a head of 32, as devices need it
    c.model.heads = 1;
    c.model.intermediate = 64;
    c.masks.state_rate = 0.4F;
    c.train.precision = Precision::fp32;
    c.optimizer.kind = kernels::Optimizer::lamb;
    c.schedule.peak = 0.03;
    c.train.steps = 12;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

void run_on(core::Device device, int ranks, const RunConfig& config, const fs::path& out) {
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    const core::Log log;
    const StopRequest stop;
    (void)pretrain(config, {.out = out, .device = {device, "as the test says"}}, world, log, stop);
  });
}

void expect_near(const std::vector<double>& found, const std::vector<double>& truth) {
  ASSERT_EQ(found.size(), truth.size());
  for (std::size_t i = 0; i < truth.size(); ++i) {
    EXPECT_NEAR(found[i], truth[i], 2e-4 * std::abs(truth[i])) << "step " << i + 1;
  }
}

TEST_F(LambRun, SixtySteps_learn) {
  RunConfig c = config();
  c.train.steps = 60;
  c.schedule.steps = 60;
  run_on(core::kCpu, 1, c, run("a"));
  const std::vector<double> loss = metrics_column(run("a"), kLossColumn);
  ASSERT_EQ(loss.size(), 60U);
  EXPECT_LT(loss.back(), loss.front() - 0.3);
}

TEST_F(LambRun, RanksAndDevices_sameLosses) {
  RunConfig c = config();
  c.train.steps = 6;
  run_on(core::kCpu, 1, c, run("1"));
  const std::vector<double> truth = metrics_column(run("1"), kLossColumn);
  run_on(core::kCpu, 4, c, run("4"));
  expect_near(metrics_column(run("4"), kLossColumn), truth);
  run_on(kGpu, 2, c, run("gpu"));
  expect_near(metrics_column(run("gpu"), kLossColumn), truth);
}

TEST_F(LambRun, Resumed_sameBits) {
  RunConfig c = config();
  run_on(core::kCpu, 2, c, run("whole"));
  c.train.steps = 5;
  run_on(core::kCpu, 2, c, run("parts"));
  c.train.steps = 12;
  run_on(core::kCpu, 2, c, run("parts"));
  for (const char* file : {"model.safetensors", "optimizer.bin"}) {
    EXPECT_TRUE(core::read_text(checkpoint_path(run("whole"), 12) / file) ==
                core::read_text(checkpoint_path(run("parts"), 12) / file))
        << file;
  }
}

TEST_F(LambRun, ResumedWithAdamW_isRefused) {
  RunConfig c = config();
  c.train.steps = 2;
  run_on(core::kCpu, 1, c, run("a"));
  c.optimizer.kind = kernels::Optimizer::adamw;
  c.train.steps = 4;
  try {
    run_on(core::kCpu, 1, c, run("a"));
    FAIL() << "the moments of one optimizer are not the other's";
  } catch (const core::ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("optimizer.name"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace epi::train
