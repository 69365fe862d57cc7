// What only emulated devices can show: memory that is too small, and ranks with a GPU of their own,
// whose whole step is one graph with NCCL's sums in it (a stand-in for the library).
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "dist/nccl.hpp"
#include "simt/emulated_device.hpp"
#include "train/checkpoint.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {
namespace {

class DeviceFaults : public testing::Test {
 protected:
  DeviceFaults() : folder_("device-faults"), store_(folder_.path() / "store") {
    write_tiny_store(store_);
  }
  void TearDown() override { core::emulated::set_properties(before_); }
  [[nodiscard]] fs::path run(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] RunConfig config() const {
    RunConfig c = tiny_config(store_);
    c.train.precision = Precision::fp32;
    c.train.steps = 6;
    c.evaluate_windows = 4;
    return c;
  }

 private:
  TestFolder folder_;
  fs::path store_;
  core::DeviceProperties before_ = core::cuda_properties(0);
};

core::Device device_of(const dist::Communicator& world) {
  return {core::DeviceKind::cuda, world.rank()};
}

/// What each of two ranks with a device of its own says of a run that fails; "" where it does not.
std::array<std::string, 2> failures(const RunConfig& config, const fs::path& out) {
  std::array<std::string, 2> said;
  dist::run_threads(2, [&](dist::Communicator& world) {
    const core::Log log;
    const StopRequest stop;
    try {
      pretrain(config, {.out = out, .device = {device_of(world), ""}}, world, log, stop);
    } catch (const core::DeviceError& error) {
      said.at(static_cast<std::size_t>(world.rank())) = error.what();
    }
  });
  return said;
}

TEST_F(DeviceFaults, TooLittleMemory_saysWhatIsNeededOnAllRanksAndLeavesTheCheckpoint) {
  RunConfig c = config();
  c.train.steps = 3;
  EXPECT_EQ(failures(c, run("a")), (std::array<std::string, 2>{}));
  core::DeviceProperties small = core::cuda_properties(0);
  small.memory_bytes = 300'000;
  core::emulated::set_properties(small);
  c.train.steps = 6;
  c.model.layers = 1;
  const std::array<std::string, 2> said = failures(c, run("a"));
  EXPECT_EQ(said[0], said[1]);
  for (const char* part :
       {"out of memory on GPU", "This run needs", "parameters", "activations", "are free"}) {
    EXPECT_NE(said[0].find(part), std::string::npos) << part << "\n" << said[0];
  }
  const FoundCheckpoint found = find_checkpoint(run("a") / "checkpoints");
  ASSERT_TRUE(found.newest);
  EXPECT_EQ(found.newest->note.progress.step, 3);
  EXPECT_TRUE(found.damaged.empty());
}

#ifdef EPI_STAND_IN_NCCL
TEST_F(DeviceFaults, TwoRanksOverNccl_areOneGraphAndHaveTheLossesOfOne) {
  const RunConfig c = config();
  run_solo(c, run("1"));
  dist::run_threads(2, [&](dist::Communicator& world) {
    const auto nccl = dist::make_nccl(world.node_group(), device_of(world));
    ASSERT_TRUE(nccl->capturable());
    const core::Log log;
    const StopRequest stop;
    const RunResult result =
        pretrain(c, {.out = run("2"), .device = {device_of(world), ""}}, *nccl, log, stop);
    EXPECT_EQ(result.step, 6);
  });
  const std::vector<double> one = metrics_column(run("1"), kLossColumn);
  const std::vector<double> two = metrics_column(run("2"), kLossColumn);
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(two[i], one[i], 1e-4 * one[i]) << i;
}
#endif

}  // namespace
}  // namespace epi::train
