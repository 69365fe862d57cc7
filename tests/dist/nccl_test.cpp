// On machines with a GPU: NCCL at size 1, which is all that one card can show (NCCL refuses two
// ranks on one GPU), and the program's other tests with memory of a real device. Without a GPU the
// program says so and ends with 77, which ctest counts as skipped.
#include "dist/nccl.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <numeric>
#include <vector>

#include "core/bf16.hpp"
#include "core/buffer.hpp"
#include "core/error.hpp"
#include "dist/staging.hpp"
#include "dist/transport.hpp"

namespace epi::dist {
namespace {

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

class Nccl : public testing::Test {
 protected:
  void SetUp() override {
    if (!nccl_missing().empty()) GTEST_SKIP() << nccl_missing();
    world = make_nccl(make_solo(), kGpu);
  }

  std::unique_ptr<Communicator> world;
};

/// 1, 2, 3, ... on the device.
core::Tensor counting(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 1.0F);
  core::Tensor tensor(core::DType::f32, {count}, kGpu);
  CopyLane().copy(tensor, ConstView(values.data(), {count}));
  return tensor;
}

std::vector<float> on_host(const ConstView& view) {
  std::vector<float> values(static_cast<std::size_t>(view.size()));
  CopyLane().copy(View(values.data(), {view.size()}), view);
  return values;
}

TEST_F(Nccl, Description_sizeOne_namesTheVersion) {
  EXPECT_NE(world->description().find("NCCL 2."), std::string::npos) << world->description();
  EXPECT_EQ(world->failure(), "");
  EXPECT_TRUE(world->capturable());
}

TEST_F(Nccl, Start_anyType_leavesTheOnlyRanksValues) {
  Stream stream(kGpu);
  const core::Tensor values = counting(1000);
  const std::vector<float> before = on_host(values);
  for (const Reduce op : {Reduce::sum, Reduce::max}) {
    world->start(op, values, Event::record(stream)).wait(stream);
    for (const core::DType type : {core::DType::bf16, core::DType::f64, core::DType::i64}) {
      const core::Tensor others(type, {77}, kGpu);
      world->start(op, others, Event::record(stream)).wait(stream);
    }
  }
  stream.synchronize();
  EXPECT_EQ(on_host(values), before);
}

TEST_F(Nccl, Start_hostMemory_isTheHostsBusiness) {
  double value = 3.0;
  Stream stream(core::kCpu);
  world->start(Reduce::sum, View(&value, {1}), Event()).wait(stream);
  EXPECT_EQ(value, 3.0);
}

TEST_F(Nccl, Collectives_recorded_runAtEachReplay) {
  Stream stream(kGpu);
  const core::Tensor whole = counting(1000);
  const core::Tensor part(core::DType::f32, {1000}, kGpu);
  core::Graph::begin(stream);
  world->reduce_scatter(whole, part, Event::record(stream)).wait(stream);
  world->start(Reduce::sum, part, Event::record(stream)).wait(stream);
  const core::Graph graph = core::Graph::end(stream);
  EXPECT_EQ(on_host(part), std::vector<float>(1000, 0.0F));
  for (int i = 0; i < 3; ++i) {
    core::fill_zero(part, stream);
    graph.launch(stream);
    stream.synchronize();
    EXPECT_EQ(on_host(part), on_host(whole));
  }
}

TEST_F(Nccl, BroadcastAndExchange_withOneself_keepTheValues) {
  const core::Tensor values = counting(100);
  const core::Tensor received(core::DType::f32, {100}, kGpu);
  world->broadcast(values, 0);
  Stream stream(kGpu);
  world->exchange(0, values, received, {}).wait(stream);
  stream.synchronize();
  EXPECT_EQ(on_host(received), on_host(values));
}

TEST_F(Nccl, Groups_sizeOne_areWorldsOfTheirOwn) {
  Stream stream(kGpu);
  const core::Tensor values = counting(10);
  const std::unique_ptr<Communicator> node = world->node_group();
  node->start(Reduce::sum, values, Event::record(stream)).wait(stream);
  stream.synchronize();
  EXPECT_EQ(on_host(values)[9], 10.0F);
}

TEST_F(Nccl, UseTransport_twoRanksOnThisGpu_isRefusedWithBothNamed) {
  try {
    run_threads(2, [](Communicator& ranks) {
      std::unique_ptr<Communicator> mine = ranks.node_group();
      (void)use_transport(mine, kGpu, Transport::nccl);
    });
    FAIL() << "two ranks on one GPU";
  } catch (const core::UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("ranks 0 and 1 share GPU"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace epi::dist

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (epi::core::cuda_device_count() > 0) return RUN_ALL_TESTS();
  std::printf("skipped: %s\n", epi::core::cuda_missing().c_str());
  return 77;
}
