// Ranks with emulated GPUs that share the optimizer's state: through the host, where a recorded
// step is cut, and over NCCL (a stand-in), where parameters come back inside of the graph.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "dist/nccl.hpp"
#include "simt/emulated_device.hpp"
#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

class DeviceShard : public testing::Test {
 protected:
  DeviceShard() : folder_("device-shard"), store_(folder_.path() / "store") {
    write_tiny_store(store_);
    core::emulated::set_device_count(4);
  }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] RunConfig config(bool sharded) const {
    RunConfig c = tiny_device_config(store_);
    c.train.steps = 4;
    c.train.shard_optimizer = sharded;
    c.train.bucket_mb = 0.006;  // several of them, even here
    c.evaluate_every = 2;
    c.evaluate_windows = 2;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
};

enum class Through : std::uint8_t { host, nccl };

void run_on(int ranks, Through through, const RunConfig& config, const fs::path& out) {
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    const bool nccl = through == Through::nccl;
    const core::Device device{core::DeviceKind::cuda, nccl ? world.rank() : 0};
    std::unique_ptr<dist::Communicator> gpus = world.node_group();
    if (nccl) gpus = dist::make_nccl(std::move(gpus), device);
    const core::Log log;
    const StopRequest stop;
    pretrain(config, {.out = out, .device = {device, ""}}, *gpus, log, stop);
  });
}

TEST_F(DeviceShard, ThroughTheHost_sameLossesAsUnsharded) {
  run_on(2, Through::host, config(false), run("whole"));
  run_on(2, Through::host, config(true), run("sharded"));
  expect_near(metrics_column(run("sharded"), kLossColumn),
              metrics_column(run("whole"), kLossColumn), 1e-5);
  expect_near(metrics_column(run("sharded"), kNormColumn),
              metrics_column(run("whole"), kNormColumn), 1e-4);
}

// Products read the rounded copy, which follows what is gathered.
TEST_F(DeviceShard, Bf16_sameLossesAsUnsharded) {
  RunConfig c = config(false);
  c.train.precision = Precision::bf16;
  run_on(2, Through::host, c, run("whole"));
  c.train.shard_optimizer = true;
  run_on(2, Through::host, c, run("sharded"));
  expect_near(metrics_column(run("sharded"), kLossColumn),
              metrics_column(run("whole"), kLossColumn), 1e-4);
}

TEST_F(DeviceShard, GraphsOrNone_sameBits) {
  RunConfig c = config(true);
  run_on(2, Through::host, c, run("graphs"));
  c.train.graph = false;
  run_on(2, Through::host, c, run("kernels"));
  expect_same_files(checkpoint_path(run("graphs"), 4), checkpoint_path(run("kernels"), 4));
}

#ifdef EPI_STAND_IN_NCCL
TEST_F(DeviceShard, OverNccl_sameLossesAsUnsharded) {
  for (const int ranks : {2, 4}) {
    const std::string name = std::to_string(ranks);
    run_on(ranks, Through::nccl, config(false), run("whole" + name));
    run_on(ranks, Through::nccl, config(true), run("sharded" + name));
    expect_near(metrics_column(run("sharded" + name), kLossColumn),
                metrics_column(run("whole" + name), kLossColumn), 1e-5);
  }
}

TEST_F(DeviceShard, OverNcclResumed_endsWithTheSameBits) {
  RunConfig c = config(true);
  run_on(2, Through::nccl, c, run("whole"));
  c.train.steps = 2;
  run_on(2, Through::nccl, c, run("parts"));
  c.train.steps = 4;
  run_on(2, Through::nccl, c, run("parts"));
  expect_same_files(checkpoint_path(run("whole"), 4), checkpoint_path(run("parts"), 4));
}

// What NCCL would sum in an order of its own is summed in the tree of ranks.
TEST_F(DeviceShard, ReproducibleOverNccl_sameBitsOnOneTwoAndFourRanks) {
  RunConfig c = config(false);
  c.train.reproducible = true;
  for (const int ranks : {1, 2, 4}) {
    run_on(ranks, ranks == 1 ? Through::host : Through::nccl, c, run(std::to_string(ranks)));
  }
  for (const char* ranks : {"2", "4"}) {
    expect_same_files(checkpoint_path(run("1"), 4), checkpoint_path(run(ranks), 4));
    EXPECT_EQ(metrics_column(run(ranks), kLossColumn), metrics_column(run("1"), kLossColumn));
    EXPECT_EQ(metrics_column(run(ranks), kNormColumn), metrics_column(run("1"), kNormColumn));
  }
}
#endif

}  // namespace
}  // namespace epi::train
