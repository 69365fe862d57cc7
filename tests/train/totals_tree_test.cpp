// The tree of totals adds the pairs that the canonical tree is defined by, seen through rounding.
#include "train/totals_tree.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace epi::train {
namespace {

constexpr std::int64_t kColumns = 3;

/// Magnitudes far apart, so that another order of additions gives other bits.
double value(std::int64_t leaf, std::int64_t column) {
  return std::ldexp(1.0 + 0.1 * static_cast<double>(leaf + column),
                    static_cast<int>((leaf * 13 + column * 5) % 60));
}

/// The definition: an even number of leaves is the sum of its halves, an odd one goes left to
/// right.
double truth(std::int64_t first, std::int64_t count, std::int64_t column) {
  if (count % 2 == 0) {
    return truth(first, count / 2, column) + truth(first + count / 2, count / 2, column);
  }
  double sum = value(first, column);
  for (std::int64_t i = 1; i < count; ++i) sum += value(first + i, column);
  return sum;
}

TEST(TotalsTree_anyNumberOfLeaves_addsInTheCanonicalOrder, bitForBit) {
  const auto ops = kernels::make_cpu_ops(1);
  core::Stream stream(ops->device());
  for (std::int64_t leaves = 1; leaves <= 48; ++leaves) {
    const core::Tensor result(core::DType::f64, {kColumns});
    const TotalsTree tree(leaves, result, *ops);
    for (int step = 0; step < 2; ++step) {  // rows are left over from the first
      core::fill_zero(result, stream);
      tree.clear(stream);
      for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
        for (std::int64_t c = 0; c < kColumns; ++c) {
          tree.leaf(leaf).as<double>()[c] += value(leaf, c);
        }
      }
      tree.sum(stream);
      for (std::int64_t c = 0; c < kColumns; ++c) {
        ASSERT_EQ(result.as<double>()[c], truth(0, leaves, c))
            << leaves << " leaves, column " << c << ", step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace epi::train
