#include "dist/link.hpp"

#include <gtest/gtest.h>

namespace epi::dist {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20U;

TEST(BucketBytes_ofLinks, areTenLatenciesWorthInPowersOfTwo) {
  // 25 us and 100 GB/s: 25 MB = 23.8 MiB, nearer to 32 than to 16 on a scale of factors.
  EXPECT_EQ(bucket_bytes_for({25e-6, 100e9}), 32 * kMiB);
  EXPECT_EQ(bucket_bytes_for({25e-6, 100e9 * 1.05}), 32 * kMiB) << "noise changes nothing";
  // 10 us and 100 GB/s: 10 MB = 9.5 MiB.
  EXPECT_EQ(bucket_bytes_for({10e-6, 100e9}), 8 * kMiB);
  EXPECT_EQ(bucket_bytes_for({3e-6, 5e9}), 4 * kMiB) << "at least";
  EXPECT_EQ(bucket_bytes_for({1e-3, 100e9}), 64 * kMiB) << "at most";
  EXPECT_EQ(bucket_bytes_for({}), 8 * kMiB) << "unknown";
}

TEST(MeasureSums_overThreads, isKnownAndTheSameOnAllRanks) {
  run_threads(3, [](Communicator& world) {
    const Link link = measure_sums(world, core::kCpu);
    EXPECT_TRUE(link.known());
    EXPECT_GT(link.latency_s, 0.0);
    double latest[2] = {link.latency_s, link.bytes_per_s};
    Stream stream(core::kCpu);
    world.start(Reduce::max, View(&latest[0], {2}), {}).wait(stream);
    EXPECT_EQ(latest[0], link.latency_s);
    EXPECT_EQ(latest[1], link.bytes_per_s);
  });
}

TEST(MeasureSums_oneRank, isUnknown) {
  EXPECT_FALSE(measure_sums(*make_solo(), core::kCpu).known());
}

}  // namespace
}  // namespace epi::dist
