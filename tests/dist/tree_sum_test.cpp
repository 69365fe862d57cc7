// Sums in the tree of ranks over pairs that exchange: the truth is the tree written down as a
// recursion, on numbers whose sums depend on the order of adding.
#include "dist/tree_sum.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"
#include "dist/gradient_buckets.hpp"

namespace epi::dist {
namespace {

/// Numbers of many sizes, another one in every place of every rank.
template <class T>
T uneven(std::int64_t i, int rank) {
  const auto mixed = static_cast<std::uint32_t>(i * 2654435761 + rank * 9973 + 1) * 2246822519U;
  return static_cast<T>(static_cast<std::int32_t>(mixed)) /
         static_cast<T>(1U << (mixed >> 8U) % 31U);
}

/// Element i of the sum over ranks [first, first + count): the halves' sums, added.
template <class T>
T tree_of(std::int64_t i, int first, int count) {
  if (count == 1) return uneven<T>(i, first);
  return tree_of<T>(i, first, count / 2) + tree_of<T>(i, first + count / 2, count / 2);
}

/// In place of train's op.
template <class T>
void add(const ConstView& mine, const ConstView& theirs, const View& sum, Stream&) {
  EXPECT_EQ(mine.raw(), sum.raw());
  for (std::int64_t i = 0; i < sum.size(); ++i) {
    sum.as<T>()[i] = mine.as<T>()[i] + theirs.as<T>()[i];
  }
}

template <class T>
std::vector<T> values_of(std::int64_t count, int rank) {
  std::vector<T> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(uneven<T>(i, rank));
  return values;
}

template <class T>
View view_of(std::vector<T>& values) {
  return {values.data(), {static_cast<std::int64_t>(values.size())}};
}

/// One element, fewer than ranks, both sides of what is exchanged whole, and odd numbers.
template <class T>
void sums_all_sizes(Communicator& world) {
  constexpr std::int64_t kMost = 5003;
  TreeSum sum(world, core::kCpu, kMost * sizeof(T), add<T>);
  Stream stream(core::kCpu);
  for (const std::int64_t count : {1, 3, 512, 513, 1024, 1025, 5003}) {
    std::vector<T> values = values_of<T>(count, world.rank());
    sum.start(view_of(values), Event::record(stream)).wait(stream);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      wrong += values[static_cast<std::size_t>(i)] == tree_of<T>(i, 0, world.size()) ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0) << count << " elements on " << world.size() << " ranks";
  }
}

TEST(TreeSum_powersOfTwo, addNeighboursFirstOnAllRanks) {
  for (const int ranks : {1, 2, 4, 8}) {
    run_threads(ranks, sums_all_sizes<float>);
    run_threads(ranks, sums_all_sizes<double>);
  }
}

TEST(TreeSum_truth, isNotTheSumFromLeftToRight) {
  std::int64_t other = 0;
  for (std::int64_t i = 0; i < 1000; ++i) {
    float sum = 0.0F;
    for (int rank = 0; rank < 8; ++rank) sum += uneven<float>(i, rank);
    other += sum == tree_of<float>(i, 0, 8) ? 0 : 1;
  }
  EXPECT_GT(other, 100) << "else these tests could not fail";
}

TEST(TreeSum_otherNumbersOfRanks, areRefused) {
  run_threads(3, [](Communicator& world) {
    EXPECT_THROW(TreeSum(world, core::kCpu, 100, add<float>), core::LogicError);
  });
}

TEST(TreeSum_ofBuckets, isTheSameTreeWhereverBucketsBegin) {
  run_threads(4, [](Communicator& world) {
    const std::int64_t count = 9001;
    TreeSum sum(world, core::kCpu, 9000, add<float>);
    std::vector<float> gradients = values_of<float>(count, world.rank());
    GradientWire wire;
    wire.sum = [&](const View& bucket, const Event& after) { return sum.start(bucket, after); };
    GradientBuckets buckets(world, view_of(gradients), 9000, {}, std::move(wire));
    Stream stream(core::kCpu);
    buckets.done_from(0, stream);
    EXPECT_EQ(buckets.finish(stream).bytes, count * 4);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      wrong += gradients[static_cast<std::size_t>(i)] == tree_of<float>(i, 0, 4) ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0);
  });
}

}  // namespace
}  // namespace epi::dist
