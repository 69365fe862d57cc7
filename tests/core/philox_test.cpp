// Philox4x32-10 against the known-answer vectors that its authors publish (Random123 1.14,
// tests/kat_vectors).
#include "core/philox.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace epi::core {
namespace {

constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;

/// The seed that, together with `use`, gives the bare rounds this key.
std::uint64_t seed_for(std::uint32_t key0, std::uint32_t key1, RandomUse use) {
  const auto code = static_cast<std::uint32_t>(use);
  return (std::uint64_t{key1 ^ (code * kWeyl1)} << 32U) | (key0 ^ (code * kWeyl0));
}

struct KnownAnswer {
  PhiloxBlock counter;
  std::uint32_t key0, key1;
  PhiloxBlock answer;
};

const KnownAnswer kPublished[] = {
    {{0, 0, 0, 0}, 0, 0, {0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}},
    {{0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU},
     0xffffffffU,
     0xffffffffU,
     {0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}},
    {{0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U},
     0xa4093822U,
     0x299f31d0U,
     {0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U}},
};

TEST(Philox_publishedVectors, areReproducedUnderEveryUse) {
  for (const RandomUse use : {RandomUse::order, RandomUse::dropout, RandomUse::test}) {
    for (const KnownAnswer& known : kPublished) {
      EXPECT_EQ(philox(seed_for(known.key0, known.key1, use), use, known.counter), known.answer);
    }
  }
}

TEST(Philox_atCompileTime, isTheSame) {
  constexpr PhiloxBlock block = philox(7, RandomUse::test, {1, 2, 3, 4});
  EXPECT_EQ(block, philox(7, RandomUse::test, {1, 2, 3, 4}));
}

TEST(Philox_usesAndSmallSeeds, shareNoStream) {
  std::set<PhiloxBlock> blocks;
  int drawn = 0;
  for (std::uint32_t use = 1; use <= static_cast<std::uint32_t>(RandomUse::test); ++use) {
    for (std::uint64_t seed = 0; seed < 1000; ++seed, ++drawn) {
      blocks.insert(philox(seed, static_cast<RandomUse>(use), {0, 0, 0, 0}));
    }
  }
  EXPECT_EQ(blocks.size(), static_cast<std::size_t>(drawn));
}

TEST(UniformBelow_wholeRange, staysInsideAndReachesBothEnds) {
  EXPECT_EQ(uniform_below(0, 10), 0U);
  EXPECT_EQ(uniform_below(0xffffffffU, 10), 9U);
  EXPECT_EQ(uniform_below(0xffffffffU, 1), 0U);
  EXPECT_EQ(uniform_below(0x80000000U, 10), 5U);
  EXPECT_EQ(uniform_below(0xffffffffU, 0xffffffffU), 0xfffffffeU);
}

TEST(UniformBelow_manyDraws, areEven) {
  // 60,000 draws over 6: each cell 10,000, standard deviation 91.
  std::vector<int> cells(6);
  for (std::uint32_t i = 0; i < 15000; ++i) {
    for (const std::uint32_t word : philox(1, RandomUse::test, {i, 0, 0, 0})) {
      ++cells[uniform_below(word, 6)];
    }
  }
  for (const int cell : cells) EXPECT_NEAR(cell, 10000, 450);
}

TEST(UniformFloat_ends, liesInTheHalfOpenUnitInterval) {
  EXPECT_EQ(uniform_float(0), 0.0F);
  EXPECT_EQ(uniform_float(0xffffffffU), 1.0F - 0x1p-24F);
  EXPECT_EQ(uniform_float(0x80000000U), 0.5F);
}

}  // namespace
}  // namespace epi::core
