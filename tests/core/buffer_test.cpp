// Buffers, tensors, copies, and how a build without CUDA refuses a CUDA device.
#include "core/buffer.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace epi::core {
namespace {

TEST(Buffer_new, isZeroedAndAligned) {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65},
                                  (std::size_t{2} << 20U) - 1, (std::size_t{2} << 20U) + 1}) {
    const Buffer buffer(kCpu, bytes);
    EXPECT_EQ(buffer.bytes(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U) << bytes;
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + bytes,
                            [](std::byte b) { return b == std::byte{0}; }));
  }
}

// Memory that was written and given back must not come again with what was in it.
TEST(Buffer_newAfterOld, isZeroedAgain) {
  const std::size_t bytes = (std::size_t{2} << 20U) + 4096;
  for (int round = 0; round < 3; ++round) {
    const Buffer buffer(kCpu, bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % (2U << 20U), 0U);
    EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + bytes,
                            [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(buffer.data(), bytes, std::byte{7});
  }
}

/// Pages of this process that are in memory.
std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t pages = 0;
  in >> pages >> pages;
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(Buffer_large, takesNoMemoryBeforeItIsTouched) {
  const std::size_t bytes = std::size_t{256} << 20U;
  const std::size_t before = resident_bytes();
  const Buffer buffer(kCpu, bytes);
  EXPECT_LT(resident_bytes(), before + bytes / 4);
  std::fill_n(buffer.data(), bytes, std::byte{1});
  EXPECT_GE(resident_bytes(), before + bytes / 2);
}

TEST(Buffer_footprint, isWholeHugePagesFromTheFirst) {
  const std::size_t page = std::size_t{2} << 20U;
  EXPECT_EQ(host_footprint(0), 0U);
  EXPECT_EQ(host_footprint(65), 128U);
  EXPECT_EQ(host_footprint(page - 64), page - 64);
  EXPECT_EQ(host_footprint(page), page);
  EXPECT_EQ(host_footprint(page + 1), 2 * page);
}

TEST(Buffer_ofNothing, holdsNoMemory) {
  EXPECT_EQ(Buffer(kCpu, 0).data(), nullptr);
}

TEST(Buffer_moved, leavesNothingBehind) {
  Buffer first(kCpu, 16);
  const std::byte* memory = first.data();
  Buffer second(std::move(first));
  EXPECT_EQ(second.data(), memory);
  EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move)
  Buffer third(kCpu, 8);
  third = std::move(second);
  EXPECT_EQ(third.data(), memory);
  EXPECT_EQ(third.bytes(), 16U);
}

TEST(Buffer_viewTooLarge, isABrokenPromise) {
  const Buffer buffer(kCpu, 16);
  EXPECT_EQ(buffer.view(DType::f32, {2, 2}).size(), 4);
  EXPECT_THROW((void)buffer.view(DType::f32, {5}), LogicError);
}

TEST(Buffer_tooLarge, isADeviceErrorWithTheSize) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers end the program instead; the release preset runs this";
#endif
  const std::size_t petabyte = std::size_t{1} << 50U;
  EXPECT_THROW(Buffer(kCpu, petabyte), DeviceError);
}

TEST(Tensor_new, hasItsTypeAndShape) {
  const Tensor tensor(DType::i32, {3, 5});
  EXPECT_EQ(describe(tensor), "i32[3, 5]");
  EXPECT_EQ(tensor.as<std::int32_t>()[14], 0);
}

TEST(Copy_sameShape, copiesAndZeroes) {
  Stream stream(kCpu);
  std::vector<float> from = {1.0F, 2.0F, 3.0F};
  const Tensor to(DType::f32, {3});
  copy(to, View(from.data(), {3}), stream);
  EXPECT_EQ(to.as<float>()[2], 3.0F);
  fill_zero(to, stream);
  EXPECT_EQ(to.as<float>()[2], 0.0F);
}

TEST(Copy_otherSizeOrType, isABrokenPromise) {
  Stream stream(kCpu);
  const Tensor floats(DType::f32, {3});
  const Tensor fewer(DType::f32, {2});
  const Tensor integers(DType::i32, {3});
  EXPECT_THROW(copy(floats, fewer, stream), LogicError);
  EXPECT_THROW(copy(floats, integers, stream), LogicError);
}

TEST(Device_cuda, isRefusedWhereThereIsNone) {
  if (cuda_device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  const Device gpu{DeviceKind::cuda, 0};
  EXPECT_THROW(Buffer(gpu, 16), DeviceError);
  EXPECT_THROW(Stream{gpu}, DeviceError);
}

TEST(Event_onTheCpu, isAlreadyDone) {
  Stream stream(kCpu);
  const Event event = Event::record(stream);
  event.synchronize();
  stream.wait(event);
  EXPECT_EQ(event.native(), nullptr);
}

}  // namespace
}  // namespace epi::core
