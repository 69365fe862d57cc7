// Devices as far as they can be tried without one: on emulated CUDA devices, which the program
// links in place of the product's.
#include "core/device.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "simt/emulated_device.hpp"

namespace epi::core {
namespace {

constexpr Device kGpu{DeviceKind::cuda, 1};

TEST(Buffer_tooLargeForTheGpu, saysHowMuchOfHowMuchIsFreeAndWhere) {
  DeviceProperties small = cuda_properties(1);
  small.memory_bytes = std::size_t{16} << 20U;
  emulated::set_properties(small);
  const Buffer first(kGpu, std::size_t{8} << 20U);
  try {
    const Buffer second(kGpu, std::size_t{12} << 20U);
    FAIL() << "more memory than there is";
  } catch (const DeviceError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("GPU 1 (emulated device)"), std::string::npos) << text;
    EXPECT_NE(text.find("12.0 MiB were asked for"), std::string::npos) << text;
    EXPECT_NE(text.find("8.0 MiB of 16.0 MiB are free"), std::string::npos) << text;
  }
}

TEST(Buffer_onTheGpu, isZeroedWithoutAStream) {
  const Tensor tensor(DType::f32, {1000}, kGpu);
  std::vector<float> values(1000, 1.0F);
  Stream stream(kGpu);
  copy(View(values.data(), {1000}), tensor, stream);
  stream.synchronize();
  EXPECT_EQ(std::count(values.begin(), values.end(), 0.0F), 1000);
}

TEST(Buffer_pinned, isZeroedHostMemory) {
  const Buffer buffer = Buffer::pinned(10000);
  EXPECT_EQ(buffer.device(), kCpu);
  EXPECT_EQ(std::count(buffer.data(), buffer.data() + buffer.bytes(), std::byte{0}), 10000);
  EXPECT_EQ(Buffer::pinned(0).bytes(), 0U);
}

TEST(Graph_ofACopy, runsAtEachLaunchAndNotBefore) {
  const Tensor from(DType::f32, {1}, kGpu);
  std::vector<float> seen = {5.0F};
  Stream stream(kGpu);
  Graph::begin(stream);
  copy(View(seen.data(), {1}), from, stream);
  const Graph graph = Graph::end(stream);
  EXPECT_EQ(seen[0], 5.0F);
  for (int i = 0; i < 2; ++i) {
    seen[0] = 5.0F;
    graph.launch(stream);
    stream.synchronize();
    EXPECT_EQ(seen[0], 0.0F);
  }
}

TEST(Copy_ofDeviceMemoryInACpuStream, isABrokenPromise) {
  const Tensor tensor(DType::f32, {1}, kGpu);
  Stream stream(kCpu);
  float value = 0.0F;
  EXPECT_THROW(copy(View(&value, {1}), tensor, stream), LogicError);
  EXPECT_THROW(fill_zero(tensor, stream), LogicError);
}

TEST(Mark_inAGraph, isSetAnewAtEachLaunch) {
  Stream stream(kGpu);
  Mark before(kGpu), inside(kGpu);
  Graph::begin(stream);
  inside.set(stream);
  const Graph graph = Graph::end(stream);
  for (int i = 0; i < 2; ++i) {
    before.set(stream);
    graph.launch(stream);
    inside.synchronize();
    EXPECT_GE(inside.seconds_since(before), 0.0);
  }
}

}  // namespace
}  // namespace epi::core
