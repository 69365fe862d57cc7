// Ranks that are processes and whose gradients lie in device memory: through page-locked memory of
// the host to MPI and back. The devices are emulated, one of each process.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/buffer.hpp"
#include "dist/gradient_buckets.hpp"
#include "dist/mpi.hpp"
#include "dist/mpi_main.hpp"
#include "dist/staging.hpp"
#include "dist/transport.hpp"

namespace epi::dist {
namespace {

MpiRuntime* runtime = nullptr;

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

void fill(const View& view, float value) {
  std::vector<float> values(static_cast<std::size_t>(view.size()), value);
  CopyLane().copy(view, ConstView(values.data(), {view.size()}));
}

bool all_are(const ConstView& view, float value) {
  std::vector<float> values(static_cast<std::size_t>(view.size()));
  CopyLane().copy(View(values.data(), {view.size()}), view);
  return std::count(values.begin(), values.end(), value) == view.size();
}

/// 1 + 2 + ... over the ranks.
float sum_of_ranks(const Communicator& world) {
  return static_cast<float>(world.size() * (world.size() + 1)) / 2.0F;
}

TEST(MpiDevice_gradients, areSummedThroughTheHost) {
  for (const HostExchange exchange : {HostExchange::shared_memory, HostExchange::messages}) {
    std::unique_ptr<Communicator> world = runtime->world(exchange);
    // All processes emulate the same devices: that is one card with several ranks.
    const std::string why = use_transport(world, kGpu, Transport::automatic);
    if (world->size() > 1) {
      EXPECT_NE(why.find("ranks 0 and 1 share GPU"), std::string::npos) << why;
    }
    const core::Tensor gradients = world->reducible(core::DType::f32, 300007, kGpu);
    fill(gradients, static_cast<float>(world->rank() + 1));
    Stream stream(kGpu);
    GradientBuckets buckets(*world, gradients, 400000);
    for (std::int64_t offset = 300000; offset >= 0; offset -= 50000) {
      buckets.done_from(offset, stream);
    }
    const ExchangeStatistics statistics = buckets.finish(stream);
    EXPECT_TRUE(all_are(gradients, sum_of_ranks(*world)));
    EXPECT_EQ(statistics.exchange_s > 0.0, world->size() > 1);
  }
}

TEST(MpiDevice_otherCollectives, reachDeviceMemory) {
  const std::unique_ptr<Communicator> world = runtime->world();
  const core::Tensor part(core::DType::f32, {1000}, kGpu);
  const core::Tensor whole(core::DType::f32, {1000 * world->size()}, kGpu);
  Stream stream(kGpu);
  fill(whole, static_cast<float>(world->rank() + 1));
  world->reduce_scatter(whole, part, Event::record(stream)).wait(stream);
  EXPECT_TRUE(all_are(part, sum_of_ranks(*world)));
  fill(part, static_cast<float>(world->rank()));
  world->all_gather(part, whole, Event::record(stream)).wait(stream);
  for (int rank = 0; rank < world->size(); ++rank) {
    EXPECT_TRUE(all_are(whole.view().slice(1000 * rank, 1000), static_cast<float>(rank)));
  }
  world->broadcast(part, world->size() - 1);
  EXPECT_TRUE(all_are(part, static_cast<float>(world->size() - 1)));
}

}  // namespace
}  // namespace epi::dist

int main(int argc, char** argv) {
  return epi::dist::run_tests_on_all_ranks(argc, argv, epi::dist::runtime);
}
