// Which device a run takes, from what its ranks have found.
#include "train/device.hpp"

#include <gtest/gtest.h>

#include <array>

#include "core/error.hpp"

namespace epi::train {
namespace {

const FoundDevice kGpu{"", "NVIDIA H200"};
const FoundDevice kNone{"no NVIDIA driver is loaded", ""};

TEST(Device, Automatic_takesGpusWhereAllRanksHaveOne) {
  std::string line;
  EXPECT_TRUE(choose_cuda(DeviceWish::automatic, std::array{kGpu}, line));
  EXPECT_EQ(line, "cuda: NVIDIA H200, it is here");
  EXPECT_TRUE(choose_cuda(DeviceWish::automatic, std::array{kGpu, kGpu}, line));
  EXPECT_EQ(line, "cuda: NVIDIA H200, each of 2 ranks has one");
}

TEST(Device, Automatic_takesTheCpuWhereOneRankHasNone_andSaysWhy) {
  std::string line;
  EXPECT_FALSE(choose_cuda(DeviceWish::automatic, std::array{kNone}, line));
  EXPECT_EQ(line, "cpu: no NVIDIA driver is loaded");
  EXPECT_FALSE(choose_cuda(DeviceWish::automatic, std::array{kGpu, kNone}, line));
  EXPECT_EQ(line, "cpu: rank 1: no NVIDIA driver is loaded");
}

TEST(Device, Wishes_areObeyedOrRefused) {
  std::string line;
  EXPECT_FALSE(choose_cuda(DeviceWish::cpu, std::array{kGpu}, line));
  EXPECT_EQ(line, "cpu: as train.device says");
  EXPECT_TRUE(choose_cuda(DeviceWish::cuda, std::array{kGpu}, line));
  try {
    (void)choose_cuda(DeviceWish::cuda, std::array{kGpu, kNone}, line);
    FAIL() << "rank 1 has no GPU";
  } catch (const core::DeviceError& error) {
    EXPECT_STREQ(error.what(),
                 "device = \"cuda\" was asked for, but rank 1: no NVIDIA driver is loaded");
  }
}

TEST(Device, Names_areReadBack) {
  for (const auto wish : {DeviceWish::automatic, DeviceWish::cpu, DeviceWish::cuda}) {
    EXPECT_EQ(device_named(name_of(wish)), wish);
  }
  EXPECT_THROW((void)device_named("gpu"), core::ConfigError);
}

// A build without CUDA, or a machine without a driver, is the rule for tests.
TEST(Device, Cuda_withoutADeviceFailsOnAllRanksAlike) {
  if (core::cuda_device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  std::array<bool, 2> failed{};
  dist::run_threads(2, [&](dist::Communicator& world) {
    try {
      (void)choose_device(DeviceWish::cuda, world);
    } catch (const core::DeviceError&) {
      failed.at(static_cast<std::size_t>(world.rank())) = true;
    }
    EXPECT_EQ(choose_device(DeviceWish::automatic, world).device, core::kCpu);
  });
  EXPECT_TRUE(failed[0] && failed[1]);
}

}  // namespace
}  // namespace epi::train
