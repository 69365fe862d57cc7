// The plan of a run on a GPU, which is emulated here: what it states, and what is said where it
// does not fit.
#include "launch/dry_run.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "core/error.hpp"
#include "simt/emulated_device.hpp"
#include "train/tiny_run.hpp"

namespace epi::launch {
namespace {

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

class DryRun : public testing::Test {
 protected:
  DryRun() : folder_("dry-run"), store_(folder_.path() / "store") {
    train::write_tiny_store(store_);
  }
  void TearDown() override { core::emulated::set_properties(before_); }

  [[nodiscard]] std::vector<std::string> plan(dist::Communicator& world) const {
    train::RunConfig config = train::tiny_config(store_);
    config.train.precision = train::Precision::fp32;
    return plan_of(config, 1, {.device = kGpu, .line = "cuda: emulated"}, world);
  }
  static void leave(std::size_t bytes) {
    core::DeviceProperties small = core::cuda_properties(0);
    small.memory_bytes = bytes;
    core::emulated::set_properties(small);
  }

 private:
  train::TestFolder folder_;
  std::filesystem::path store_;
  core::DeviceProperties before_ = core::cuda_properties(0);
};

TEST_F(DryRun, OnAGpu_statesItsMemoryByPartAndWhereItRuns) {
  const std::vector<std::string> lines = plan(*dist::make_solo());
  for (const char* text : {"MiB on each rank's GPU", "memory by part, MiB: GPU: parameters",
                           "device: cuda: emulated", "kernels: emulated device sm_80"}) {
    EXPECT_TRUE(std::ranges::any_of(lines, [&](const std::string& line) {
      return line.find(text) != std::string::npos;
    })) << text;
  }
}

TEST_F(DryRun, OnAGpuThatIsTooSmall_saysOnAllRanksWhatIsNeeded) {
  leave(300'000);
  std::array<std::string, 2> said;
  dist::run_threads(2, [&](dist::Communicator& world) {
    try {
      (void)plan(world);
    } catch (const core::DeviceError& error) {
      said.at(static_cast<std::size_t>(world.rank())) = error.what();
    }
  });
  EXPECT_EQ(said[0], said[1]);
  for (const char* part : {"out of memory on GPU", "This run needs", "activations", "are free"}) {
    EXPECT_NE(said[0].find(part), std::string::npos) << part << "\n" << said[0];
  }
}

}  // namespace
}  // namespace epi::launch
