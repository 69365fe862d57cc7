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

// The definition: a tree over [first, first + count) cuts off the largest power of two.
float tree_sum(std::int64_t first, std::int64_t count, std::int64_t element) {
  if (count == 1) return value(first, element);
  std::int64_t left = 1;
  while (left * 2 < count) left *= 2;
  return tree_sum(first, left, element) + tree_sum(first + left, count - left, element);
}

std::vector<float> run(std::int64_t leaves, std::int64_t slice) {
  const auto ops = kernels::make_cpu_ops(1);
  core::Stream stream(ops->device());
  GradientTree tree(leaves, core::Tensor(core::DType::f32, {kElements}), *ops);
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
    auto* const block = tree.leaf(leaf).as<float>();
    for (std::int64_t i = 0; i < kElements; ++i) block[i] = value(leaf, i);
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
  EXPECT_EQ(bytes(8), 4 * block);
  EXPECT_EQ(bytes(1024), 11 * block);
}

}  // namespace
}  // namespace epi::train
