// The tree of ranks by hand, and the cuts of a vector along it.
#include "dist/rank_tree.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/bf16.hpp"
#include "dist/check_values.hpp"
#include "dist/ordered_reduce.hpp"

namespace epi::dist {
namespace {

/// The tree as text, by the definition.
std::string written_out(int first, int ranks) {
  if (ranks == 1) return std::to_string(first);
  const int split = tree_split(ranks);
  std::string text = written_out(first, split);
  text.insert(0, 1, '(');
  return text.append("+").append(written_out(first + split, ranks - split)).append(")");
}

TEST(RankTree_anyNumber, isSplitAtThePowerOfTwoBelow) {
  EXPECT_EQ(written_out(0, 2), "(0+1)");
  EXPECT_EQ(written_out(0, 3), "((0+1)+2)");
  EXPECT_EQ(written_out(0, 4), "((0+1)+(2+3))");
  EXPECT_EQ(written_out(0, 6), "(((0+1)+(2+3))+(4+5))");
  EXPECT_EQ(written_out(0, 7), "(((0+1)+(2+3))+((4+5)+6))");
}

TEST(RankTree_halving, cutsWithoutGapsAndNests) {
  for (const std::int64_t count : {0, 1, 7, 64, 1000003}) {
    EXPECT_EQ(halving_range(count, 5, 0).count, count);
    for (int levels = 1; levels <= 4; ++levels) {
      std::int64_t covered = 0;
      for (int rank = 0; rank < 1 << levels; ++rank) {
        const Stretch mine = halving_range(count, rank, levels);
        const Stretch before = halving_range(count, rank, levels - 1);
        EXPECT_GE(mine.first, before.first);
        EXPECT_LE(mine.first + mine.count, before.first + before.count);
        covered += mine.count;
      }
      EXPECT_EQ(covered, count);
    }
  }
  // By hand: of 10, rank 2 = 0b10 keeps the first half [0, 5), then its second half.
  EXPECT_EQ(halving_range(10, 2, 2).first, 2);
  EXPECT_EQ(halving_range(10, 2, 2).count, 3);
}

/// Numbers whose sums show their order: large ones cancel, small ones are lost beside them.
template <class T>
T number(std::size_t i, std::size_t rank) {
  const std::size_t mixed = (i + 1) * 2654435761U + (rank + 1) * 40503U;
  const T large = mixed % 3 == 0 ? T{3e7} : mixed % 3 == 1 ? T{-3e7} : T{0};
  return large + static_cast<T>(mixed % 1009) / T{7};
}

template <class T>
void expect_tree(std::size_t ranks, std::size_t count) {
  std::vector<std::vector<T>> memory(ranks, std::vector<T>(count));
  std::vector<T> truth;
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<T> numbers;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      numbers.push_back(memory[rank][i] = number<T>(i, rank));
    }
    truth.push_back(tree_sum(numbers));
  }
  std::vector<std::byte*> parts;
  for (std::vector<T>& one : memory) parts.push_back(reinterpret_cast<std::byte*>(one.data()));
  std::vector<T> sums(count);
  const std::vector<const std::byte*> inputs(parts.begin(), parts.end());
  const auto size = static_cast<std::int64_t>(count);
  reduce_in_tree(Reduce::sum, core::dtype_of<T>(), inputs,
                 reinterpret_cast<std::byte*>(sums.data()), size);
  EXPECT_EQ(sums, truth) << ranks << " ranks";
  reduce_everywhere(Reduce::sum, core::dtype_of<T>(), parts, size);
  for (const std::vector<T>& one : memory) EXPECT_EQ(one, truth) << ranks << " ranks";
}

TEST(RankTree_arithmetic, hasTheBitsOfTheTreeForAnyNumberOfRanks) {
  for (std::size_t ranks = 1; ranks <= 17; ++ranks) {
    expect_tree<float>(ranks, 2049);
    expect_tree<double>(ranks, 1023);
  }
}

/// bf16 is rounded once, at the end: 256 + 1 needs nine bits, 256 + 1 + 1 fits again.
TEST(RankTree_bf16, isSummedInF32) {
  core::BFloat16 a = core::to_bf16(256.0F), b = core::to_bf16(1.0F), c = b;
  const std::byte* const inputs[] = {reinterpret_cast<std::byte*>(&a),
                                     reinterpret_cast<std::byte*>(&b),
                                     reinterpret_cast<std::byte*>(&c)};
  core::BFloat16 sum;
  reduce_in_tree(Reduce::sum, core::DType::bf16, inputs, reinterpret_cast<std::byte*>(&sum), 1);
  EXPECT_EQ(core::to_float(sum), 258.0F);
}

}  // namespace
}  // namespace epi::dist
