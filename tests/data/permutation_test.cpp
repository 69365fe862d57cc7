// The epoch order: a permutation for every size, different for each seed and epoch, well mixed.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "core/error.hpp"
#include "data/orders.hpp"

namespace {

using epi::data::Permutation;

std::vector<std::uint64_t> all(std::uint64_t seed, std::uint64_t epoch, std::uint64_t n) {
  const Permutation permutation(seed, epoch, n);
  std::vector<std::uint64_t> out;
  for (std::uint64_t i = 0; i < n; ++i) out.push_back(permutation(i));
  return out;
}

TEST(Permutation_test, AnySize_isABijection) {
  for (const std::uint64_t n : {1ULL, 2ULL, 3ULL, 4ULL, 5ULL, 15ULL, 16ULL, 17ULL, 63ULL, 64ULL,
                                65ULL, 255ULL, 256ULL, 257ULL, 997ULL, 4096ULL, 4097ULL}) {
    const auto order = all(1, 2, n);
    const std::set<std::uint64_t> values(order.begin(), order.end());
    EXPECT_EQ(values.size(), n);
    EXPECT_EQ(*values.rbegin(), n - 1);
  }
}

TEST(Permutation_test, SeedAndEpoch_changeTheOrder) {
  EXPECT_EQ(all(1, 0, 1000), all(1, 0, 1000));
  EXPECT_NE(all(1, 0, 1000), all(2, 0, 1000));
  EXPECT_NE(all(1, 0, 1000), all(1, 1, 1000));
  EXPECT_NE(all(1, 0, 1000), all(1, 1ULL << 32U, 1000));
}

TEST(Permutation_test, HugeSize_staysInside) {
  const std::uint64_t n = (1ULL << 63U) + 12345;
  const Permutation permutation(7, 8, n);
  std::set<std::uint64_t> values;
  for (std::uint64_t i = 0; i < 1000; ++i) values.insert(permutation(n - 1 - i));
  EXPECT_EQ(values.size(), 1000U);
  EXPECT_LT(*values.rbegin(), n);
  EXPECT_THROW((void)permutation(n), epi::core::LogicError);
}

// Over many epochs each place holds each number equally often: chi-squared with 49 degrees of
// freedom per place; 49 places of 50 values, mean 49, sigma about 10.
TEST(Permutation_test, ManyEpochs_everyNumberComesToEveryPlace) {
  constexpr std::uint64_t kSize = 50;
  constexpr std::uint64_t kEpochs = 2000;
  std::vector<double> counts(kSize * kSize);
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    const auto order = all(3, epoch, kSize);
    for (std::uint64_t i = 0; i < kSize; ++i) counts[i * kSize + order[i]] += 1;
  }
  const double expected = static_cast<double>(kEpochs) / kSize;
  for (std::uint64_t i = 0; i < kSize; ++i) {
    double chi = 0;
    for (std::uint64_t v = 0; v < kSize; ++v) {
      const double off = counts[i * kSize + v] - expected;
      chi += off * off / expected;
    }
    EXPECT_LT(chi, 49 + 5 * 10) << i;
  }
}

TEST(Permutation_test, Neighbours_areFarApart) {
  constexpr std::uint64_t kSize = 100000;
  const auto order = all(11, 0, kSize);
  int steps = 0;
  double distance = 0;
  for (std::uint64_t i = 1; i < kSize; ++i) {
    const double off = static_cast<double>(order[i]) - static_cast<double>(order[i - 1]);
    distance += off < 0 ? -off : off;
    steps += off == 1 ? 1 : 0;
  }
  EXPECT_NEAR(distance / kSize, kSize / 3.0, 0.01 * kSize);  // uniform pairs: n / 3
  EXPECT_LE(steps, 8) << "about one in a random order";
}

}  // namespace
