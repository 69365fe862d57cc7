// The real nccl.cpp on emulated devices, one a rank, with a stand-in for the library that can't run
// here: what goes where, in which order, recorded or not, and what a lost peer does.
#include "dist/nccl.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "dist/gradient_buckets.hpp"
#include "simt/emulated_device.hpp"
#include "simt/emulated_memory.hpp"
#include "simt/stand_in_nccl.hpp"

namespace epi::dist {
namespace {

using core::DType;
using core::Tensor;

core::Device device_of(const Communicator& world) {
  return {core::DeviceKind::cuda, world.rank()};
}

/// Runs `body` on threads, each with a GPU of its own and NCCL between them.
template <class Body>
void on_gpus(int ranks, const Body& body) {
  core::emulated::set_device_count(4);
  run_threads(ranks, [&](Communicator& world) {
    const std::unique_ptr<Communicator> nccl = make_nccl(world.node_group(), device_of(world));
    core::Stream stream(device_of(world));
    body(*nccl, stream);
  });
  EXPECT_EQ(open_communicators(), 0);
}

template <class T>
T at(const Tensor& tensor, std::int64_t i) {
  const core::emulated::Access access;
  return tensor.as<T>()[i];
}

/// [count] on the rank's device, element i = first + i.
template <class T>
Tensor rising(const Communicator& world, std::int64_t count, T first) {
  Tensor tensor(core::dtype_of<T>(), {count}, device_of(world));
  const core::emulated::Access access;
  for (std::int64_t i = 0; i < count; ++i) tensor.as<T>()[i] = first + static_cast<T>(i);
  return tensor;
}

class Nccl : public testing::TestWithParam<int> {};

TEST_P(Nccl, sums_and_maxima_of_device_memory) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    const int n = world.size();
    const Tensor sums = rising<float>(world, 5, static_cast<float>(world.rank()));
    const Tensor counts = rising<std::int64_t>(world, 3, world.rank());
    world.start(Reduce::sum, sums, Event::record(stream)).wait(stream);
    world.start(Reduce::max, counts, Event::record(stream)).wait(stream);
    stream.synchronize();
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(at<float>(sums, i), static_cast<float>(n * (n - 1) / 2 + n * i));
    }
    EXPECT_EQ(at<std::int64_t>(counts, 2), n - 1 + 2);
  });
}

TEST_P(Nccl, sums_of_bf16_are_bf16) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    const Tensor ones(DType::bf16, {4}, device_of(world));
    {
      const core::emulated::Access access;
      for (int i = 0; i < 4; ++i) ones.as<core::BFloat16>()[i] = core::to_bf16(1.5F);
    }
    world.start(Reduce::sum, ones, Event::record(stream)).wait(stream);
    EXPECT_EQ(core::to_float(at<core::BFloat16>(ones, 3)), 1.5F * static_cast<float>(world.size()));
  });
}

TEST_P(Nccl, parts_are_scattered_and_gathered_in_rank_order) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    const int n = world.size();
    const Tensor whole = rising<double>(world, 2 * n, 0.0);
    const Tensor part(DType::f64, {2}, device_of(world));
    world.reduce_scatter(whole, part, Event::record(stream)).wait(stream);
    EXPECT_EQ(at<double>(part, 1), n * (2.0 * world.rank() + 1.0));
    world.all_gather(part, whole, Event::record(stream)).wait(stream);
    EXPECT_EQ(at<double>(whole, 2 * n - 1), n * (2.0 * n - 1.0));
  });
}

TEST_P(Nccl, broadcast_and_exchange_reach_device_memory) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    const Tensor mine = rising<float>(world, 3, static_cast<float>(10 * world.rank()));
    const Tensor theirs(DType::f32, {3}, device_of(world));
    const int partner = world.size() - 1 - world.rank();
    world.exchange(partner, mine, theirs, core::Event::record(stream)).wait(stream);
    stream.synchronize();
    EXPECT_EQ(at<float>(theirs, 0), static_cast<float>(10 * partner));
    world.broadcast(mine, world.size() - 1);
    EXPECT_EQ(at<float>(mine, 2), static_cast<float>(10 * (world.size() - 1) + 2));
  });
}

TEST_P(Nccl, host_memory_goes_through_the_host) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    double one = 1.0;
    world.start(Reduce::sum, View(&one, {1}), {}).wait(stream);
    EXPECT_EQ(one, world.size());
    EXPECT_EQ(world.gather_text("x").size(), static_cast<std::size_t>(world.size()));
  });
}

TEST_P(Nccl, a_recorded_sum_is_made_at_every_launch) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    const Tensor ones = rising<float>(world, 1, 1.0F);
    ASSERT_TRUE(world.capturable());
    core::Graph::begin(stream);
    world.start(Reduce::sum, ones, Event::record(stream)).wait(stream);
    const core::Graph graph = core::Graph::end(stream);
    EXPECT_EQ(at<float>(ones, 0), 1.0F);
    graph.launch(stream);
    graph.launch(stream);
    stream.synchronize();
    EXPECT_EQ(at<float>(ones, 0), static_cast<float>(world.size() * world.size()));
  });
}

TEST_P(Nccl, buckets_of_a_recorded_step_are_summed_and_timed) {
  on_gpus(GetParam(), [](Communicator& world, core::Stream& stream) {
    constexpr std::int64_t kCount = 1000;
    const Tensor gradients = rising<float>(world, kCount, 1.0F);
    GradientBuckets buckets(world, gradients, 1024);
    ASSERT_TRUE(buckets.recordable());
    core::Graph::begin(stream);
    for (const std::int64_t offset : {700, 300, 0}) buckets.done_from(offset, stream);
    buckets.join(stream);
    const core::Graph graph = core::Graph::end(stream);
    graph.launch(stream);
    const ExchangeStatistics statistics = buckets.statistics();
    EXPECT_EQ(at<float>(gradients, 999), 1000.0F * static_cast<float>(world.size()));
    EXPECT_EQ(statistics.bytes, world.size() == 1 ? 0 : kCount * 4);
    EXPECT_GE(statistics.exchange_s, statistics.exposed_s);
  });
}

INSTANTIATE_TEST_SUITE_P(ranks, Nccl, testing::Values(1, 2, 3, 4));

TEST(NcclFailure, a_lost_peer_is_an_error_and_not_a_wait) {
  core::emulated::set_device_count(4);
  const int aborted_before = aborted_communicators();
  EXPECT_THROW(run_threads(2,
                           [](Communicator& world) {
                             const auto nccl = make_nccl(world.node_group(), device_of(world));
                             const Tensor mine = rising<float>(*nccl, 3, 0.0F);
                             world.barrier();
                             lose_peers(true);
                             EXPECT_NE(nccl->failure(), "");
                             nccl->broadcast(mine, 0);
                           }),
               core::PeerError);
  EXPECT_EQ(aborted_communicators() - aborted_before, 2) << "destroying would wait for the peer";
  lose_peers(false);
  EXPECT_EQ(open_communicators(), 0);
}

TEST(NcclFailure, what_does_not_connect_leaves_the_host_as_it_was) {
  core::emulated::set_device_count(1);
  run_threads(2, [](Communicator& world) {
    std::unique_ptr<Communicator> host = world.node_group();
    // Rank 1's device does not exist: all ranks hear of it.
    EXPECT_THROW((void)make_nccl(std::move(host), device_of(world)), core::Error);
    ASSERT_NE(host, nullptr);
    host->barrier();
  });
  core::emulated::set_device_count(4);
}

}  // namespace
}  // namespace epi::dist
