// The tree of gradients: which pairs are added, seen through rounding, and that slices don't
// matter.
#include "train/gradient_tree.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace epi::train {
namespace {

constexpr std::int64_t kElements = 37;

float value(std::int64_t leaf, std::int64_t element) {
  // Magnitudes far apart, so that another order of additions gives other bits.
  const float scales[] = {1.0F, 3e7F, -3e7F, 1e-3F, 7.0F, -1e7F, 1e7F, 0.3F};
  return scales[(leaf * 5 + element) % 8] * (1.0F + 0.01F * static_cast<float>(element + leaf));
}

// The definition: a tree over an even number of leaves is the sum of its halves; over an odd one,
// the sum from left to right.
float tree_sum(std::int64_t first, std::int64_t count, std::int64_t element) {
  if (count % 2 == 0) {
    return tree_sum(first, count / 2, element) + tree_sum(first + count / 2, count / 2, element);
  }
  float sum = value(first, element);
  for (std::int64_t i = 1; i < count; ++i) sum += value(first + i, element);
  return sum;
}

std::vector<float> run(std::int64_t leaves, std::int64_t slice, std::int64_t first = 0) {
  const auto ops = kernels::make_cpu_ops(1);
  core::Stream stream(ops->device());
  GradientTree tree(leaves, core::Tensor(core::DType::f32, {kElements}), *ops);
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
    auto* const block = tree.leaf(leaf).as<float>();
    for (std::int64_t i = 0; i < kElements; ++i) block[i] = value(first + leaf, i);
    if (leaf + 1 < leaves) tree.add(leaf, stream);
  }
  for (std::int64_t end = kElements; end > 0; end = std::max<std::int64_t>(0, end - slice)) {
    const std::int64_t begin = std::max<std::int64_t>(0, end - slice);
    tree.add_last(begin, end - begin, stream);
  }
  const auto* const sum = tree.result().as<float>();
  return {sum, sum + kElements};
}

TEST(GradientTree_anyNumberOfLeaves_addsInTheFixedOrder, bitForBit) {
  for (std::int64_t leaves = 1; leaves <= 17; ++leaves) {
    const std::vector<float> sum = run(leaves, kElements);
    for (std::int64_t i = 0; i < kElements; ++i) {
      ASSERT_EQ(sum[static_cast<std::size_t>(i)], tree_sum(0, leaves, i))
          << leaves << " leaves, element " << i;
    }
  }
}

// What ranks rely on: their shares are subtrees, whatever the number of micro-batches.
TEST(GradientTree_overTwoHalves_sumsToTheTreeOverAll, bitForBit) {
  for (const std::int64_t half : {1, 2, 3, 5, 6, 7, 12, 20}) {
    const std::vector<float> whole = run(2 * half, kElements);
    const std::vector<float> left = run(half, kElements);
    const std::vector<float> right = run(half, kElements, half);
    for (std::size_t i = 0; i < whole.size(); ++i) {
      ASSERT_EQ(whole[i], left[i] + right[i]) << "two times " << half << ", element " << i;
    }
  }
}

TEST(GradientTree_lastLeafInSlices_givesTheSameBits, asInOne) {
  EXPECT_EQ(run(7, 5), run(7, kElements));
  EXPECT_EQ(run(8, 1), run(8, kElements));
}

TEST(GradientTree_blocks_growWithTheLogarithm, fromOne) {
  const auto ops = kernels::make_cpu_ops(1);
  const std::size_t block = kElements * sizeof(float);
  const auto bytes = [&](std::int64_t leaves) {
    return GradientTree(leaves, core::Tensor(core::DType::f32, {kElements}), *ops).bytes();
  };
  EXPECT_EQ(bytes(1), block);
  EXPECT_EQ(bytes(2), 2 * block);
  EXPECT_EQ(bytes(7), 2 * block) << "a row needs no tree";
  EXPECT_EQ(bytes(12), 4 * block);
  EXPECT_EQ(bytes(8), 4 * block);
  EXPECT_EQ(bytes(1024), 11 * block);
}

}  // namespace
}  // namespace epi::train
