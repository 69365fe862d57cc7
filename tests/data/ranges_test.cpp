// Against the plainest truth: one flag per base.
#include "data/ranges.hpp"

#include <gtest/gtest.h>

#include <bitset>
#include <cstdint>
#include <limits>

namespace epi::data {
namespace {

constexpr std::int64_t kLength = 24;
using Bases = std::bitset<kLength>;

Bases flags(const Ranges& ranges) {
  Bases bases;
  for (const Range& range : ranges) {
    for (std::int64_t i = range.start_bp; i < range.end_bp; ++i) {
      bases.set(static_cast<std::size_t>(i));
    }
  }
  return bases;
}

Ranges ranges_of(const Bases& bases) {
  Ranges ranges;
  for (std::int64_t i = 0; i < kLength; ++i) {
    if (bases[static_cast<std::size_t>(i)]) ranges.push_back({i, i + 1});
  }
  return normalized(ranges);
}

/// A fixed sequence of bit patterns with long and short runs.
Bases pattern(std::uint32_t i) {
  const std::uint32_t a = i * 2654435761U, b = (i + 7U) * 2246822519U;
  return {(a >> 8U) | ((b >> 8U) & (b >> 9U))};
}

TEST(Ranges_operations, EverySet_matchesFlagsPerBase) {
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const Bases a = pattern(2 * i), b = pattern(2 * i + 1);
    const Ranges x = ranges_of(a), y = ranges_of(b);
    ASSERT_EQ(a, flags(x));
    ASSERT_EQ(ranges_of(a & ~b), subtract(x, y)) << a << " - " << b;
    ASSERT_EQ(ranges_of(a & b), intersect(x, y)) << a << " & " << b;
    ASSERT_EQ(ranges_of(a | (a << 1U) | (a >> 1U)), grown(x, 1, kLength)) << a;
    ASSERT_EQ(static_cast<std::int64_t>(a.count()), total_bp(x));
  }
}

TEST(Ranges_normalized, OverlapTouchEmptyInverted_becomeOneForm) {
  EXPECT_EQ((Ranges{{0, 9}, {12, 13}}),
            normalized({{12, 13}, {3, 5}, {0, 4}, {5, 9}, {20, 20}, {7, 6}, {1, 2}}));
}

TEST(Ranges_grown, HugeGuard_isTheWholeContig) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ((Ranges{{0, 1000}}), grown({{200, 300}, {999, 1000}}, most, 1000));
}

}  // namespace
}  // namespace epi::data
