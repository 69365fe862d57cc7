// When buckets start, and in which order: watched through the hook that runs just before.
#include "dist/gradient_buckets.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.hpp"

namespace epi::dist {
namespace {

using Slices = std::vector<std::pair<std::int64_t, std::int64_t>>;

struct Watched {
  explicit Watched(std::int64_t count, std::size_t bucket_bytes)
      : gradients(static_cast<std::size_t>(count), 1.0F),
        buckets(*world, View(gradients.data(), {count}), bucket_bytes,
                [this](std::int64_t first, std::int64_t n) { slices.emplace_back(first, n); }) {}

  std::unique_ptr<Communicator> world = make_solo();
  std::vector<float> gradients;
  Slices slices;
  Stream stream{core::kCpu};
  GradientBuckets buckets;
};

TEST(GradientBuckets_plan, cutsFromTheEndAndKeepsTheFrontSmall) {
  Watched watched(100, 32 * sizeof(float));  // front 32 / 8 = 4
  watched.buckets.done_from(0, watched.stream);
  EXPECT_EQ(watched.slices, (Slices{{68, 32}, {36, 32}, {4, 32}, {0, 4}}));
}

TEST(GradientBuckets_unevenPlan, coversEveryElementOnce) {
  for (const std::int64_t count : {1, 2, 3, 31, 32, 33, 97, 4096}) {
    for (const std::size_t elements : {1U, 2U, 7U, 8U, 9U, 64U, 5000U}) {
      Watched watched(count, elements * sizeof(float));
      watched.buckets.done_from(0, watched.stream);
      std::int64_t end = count;
      for (const auto& [first, n] : watched.slices) {
        EXPECT_EQ(first + n, end);
        EXPECT_GE(n, 1);
        EXPECT_LE(n, static_cast<std::int64_t>(elements));
        end = first;
      }
      EXPECT_EQ(end, 0);
    }
  }
}

TEST(GradientBuckets_fallingOffset, startsABucketOnceItIsComplete) {
  Watched watched(100, 32 * sizeof(float));
  watched.buckets.done_from(100, watched.stream);
  watched.buckets.done_from(69, watched.stream);
  EXPECT_TRUE(watched.slices.empty());
  watched.buckets.done_from(68, watched.stream);
  EXPECT_EQ(watched.slices, (Slices{{68, 32}}));
  watched.buckets.done_from(5, watched.stream);
  EXPECT_EQ(watched.slices.size(), 2U);
  watched.buckets.done_from(0, watched.stream);
  EXPECT_EQ(watched.slices.size(), 4U);
}

TEST(GradientBuckets_finishTooEarly, isABrokenPromise) {
  Watched watched(100, 32 * sizeof(float));
  watched.buckets.done_from(4, watched.stream);
  EXPECT_THROW((void)watched.buckets.finish(watched.stream), core::LogicError);
}

TEST(GradientBuckets_nextStep, startsAgainFromTheEnd) {
  Watched watched(10, 8 * sizeof(float));
  for (int step = 0; step < 3; ++step) {
    watched.slices.clear();
    watched.buckets.done_from(0, watched.stream);
    (void)watched.buckets.finish(watched.stream);
    EXPECT_EQ(watched.slices, (Slices{{2, 8}, {1, 1}, {0, 1}}));
  }
}

TEST(GradientBuckets_hook, seesItsSliceBeforeTheSum) {
  run_threads(3, [](Communicator& world) {
    // The hook fills the slice, as train does when it merges its micro-batches.
    std::vector<float> gradients(1000, 0.0F);
    GradientBuckets buckets(world, View(gradients.data(), {1000}), 400,
                            [&](std::int64_t first, std::int64_t n) {
                              for (std::int64_t i = first; i < first + n; ++i) {
                                gradients[static_cast<std::size_t>(i)] = static_cast<float>(i);
                              }
                            });
    Stream stream(core::kCpu);
    for (std::int64_t offset = 1000; offset >= 0; offset -= 50) buckets.done_from(offset, stream);
    const ExchangeStatistics statistics = buckets.finish(stream);
    EXPECT_EQ(statistics.bytes, 4000);
    EXPECT_EQ(statistics.buckets, 11);  // front 12, then 988 in tens of 100
    EXPECT_GE(statistics.exposed_s, 0.0);
    for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(gradients[i], 3.0F * static_cast<float>(i));
  });
}

// A conversion of 20 ms after a sum of no time: steps wait for it, but nothing is on its way then.
TEST(GradientBuckets_exposedExchange, isAtMostTheExchange) {
  run_threads(2, [](Communicator& world) {
    std::vector<float> gradients(64, 1.0F);
    GradientBuckets::Wire wire;
    wire.memory = core::Tensor(core::DType::bf16, {64});
    wire.convert = [](const core::ConstView&, const View&, Stream&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    };
    wire.sum = [](const View&, const Event&) { return Pending(); };
    GradientBuckets buckets(world, View(gradients.data(), {64}), 256, {}, std::move(wire));
    Stream stream(core::kCpu);
    buckets.done_from(0, stream);
    const ExchangeStatistics statistics = buckets.finish(stream);
    EXPECT_GE(statistics.exposed_s, 0.0);
    EXPECT_LE(statistics.exposed_s, statistics.exchange_s);
  });
}

}  // namespace
}  // namespace epi::dist
