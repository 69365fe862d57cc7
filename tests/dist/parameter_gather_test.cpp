// Shards of buckets: what each rank has written comes to all, no earlier than it is waited for, and
// buckets are cut where shards can be.
#include "dist/parameter_gather.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"
#include "dist/gradient_buckets.hpp"

namespace epi::dist {
namespace {

TEST(ParameterGather_shards, comeToAllRanksFrontFirst) {
  for (const int ranks : {1, 2, 3, 4}) {
    run_threads(ranks, [](Communicator& world) {
      const int n = world.size();
      std::vector<float> block(static_cast<std::size_t>(20 * n), -1.0F);
      const View view(block.data(), {20 * n});
      const std::vector<Stretch> buckets = {{0, 4 * n}, {4 * n, 16 * n}};
      // Element i of a shard is written by its owner alone.
      for (const Stretch& part : shard_of(buckets, world.rank(), n)) {
        for (std::int64_t i = part.first; i < part.end(); ++i) {
          block[static_cast<std::size_t>(i)] = static_cast<float>(i);
        }
      }
      std::vector<Stretch> arrived;
      ParameterGather gather(world, view, buckets,
                             [&](Stretch stretch, Stream&) { arrived.push_back(stretch); });
      Stream stream(core::kCpu);
      gather.wait_before(20 * n, stream);  // nothing was started
      gather.start(Event::record(stream));
      gather.wait_before(20 * n, stream);
      EXPECT_EQ(arrived, buckets);
      for (std::int64_t i = 0; i < 20 * n; ++i) {
        EXPECT_EQ(block[static_cast<std::size_t>(i)], static_cast<float>(i)) << n << " ranks";
      }
    });
  }
}

TEST(ParameterGather_buckets, areTheWholeBlockInEqualParts) {
  run_threads(2, [](Communicator& world) {
    std::vector<float> block(8);
    const View view(block.data(), {8});
    EXPECT_THROW(ParameterGather(world, view, {{0, 4}}), core::LogicError);
    EXPECT_THROW(ParameterGather(world, view, {{4, 4}, {0, 4}}), core::LogicError);
    EXPECT_THROW((void)shard_of({{0, 5}, {5, 3}}, 0, 2), core::LogicError);
  });
}

/// Buckets of a block whose parts have a unit: 48 = 16 elements for each of three ranks.
TEST(GradientBuckets_units, areNotCut) {
  run_threads(3, [](Communicator& world) {
    std::vector<float> gradients(480, 1.0F);
    GradientWire wire;
    wire.unit = 48;
    wire.sum = [&](const View& bucket, const Event& after) {
      const Stretch mine = Stretch{0, bucket.size()}.part(world.rank(), 3);
      return world.reduce_scatter(bucket, mine.of(bucket), after);
    };
    GradientBuckets buckets(world, View(gradients.data(), {480}), 130 * sizeof(float), {},
                            std::move(wire));
    const std::vector<Stretch> truth = {{0, 48},   {48, 48},  {96, 96},
                                        {192, 96}, {288, 96}, {384, 96}};
    EXPECT_EQ(buckets.stretches(), truth);
    Stream stream(core::kCpu);
    for (const std::int64_t offset : {400, 100, 0}) buckets.done_from(offset, stream);
    buckets.join(stream);
    // Summed in this rank's shard, untouched elsewhere.
    for (const Stretch& bucket : truth) {
      for (std::int64_t i = 0; i < bucket.count; ++i) {
        const bool mine = i / (bucket.count / 3) == world.rank();
        EXPECT_EQ(gradients[static_cast<std::size_t>(bucket.first + i)], mine ? 3.0F : 1.0F);
      }
    }
  });
}

}  // namespace
}  // namespace epi::dist
