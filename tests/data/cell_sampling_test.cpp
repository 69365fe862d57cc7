// Which cell types a window is shown with: how often each over many epochs, against the binomial
// and chi-squared laws that systematic sampling promises.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "data/orders.hpp"

namespace {

using namespace epi::data;
using epi::core::SampleRef;

constexpr std::int64_t kWindows = 20;

WindowTable windows() {
  static const std::array<epi::core::SegmentView, 1> segments{{{0, 0, 2000, nullptr, nullptr}}};
  Manifest manifest;
  manifest.contigs = {{"chrA", 2000, 0, 0, 0, "", ""}};
  manifest.bin_bp = 100;
  manifest.regions[0] = {{0, 0, 2000}};
  return {manifest, {segments, 8, 5, 100}, Split::train, 100};
}

PretrainingOrder order_of(std::vector<std::int32_t> cells, std::int64_t picks,
                          std::vector<double> weights) {
  return {windows(),
          std::move(cells),
          {.seed = 5, .jitter = false, .cells_per_window = picks, .weights = std::move(weights)}};
}

std::vector<SampleRef> take(const SampleSource& source, std::uint64_t first, std::int64_t count) {
  std::vector<SampleRef> samples(static_cast<std::size_t>(count));
  source.samples(first, samples);
  return samples;
}

/// shown[window][cell] in one epoch.
std::vector<std::vector<int>> shown_in(const PretrainingOrder& order, std::uint64_t epoch,
                                       std::size_t cells) {
  const std::int64_t size = order.epoch_size();
  std::vector<std::vector<int>> shown(kWindows, std::vector<int>(cells));
  for (const SampleRef& sample : take(order, epoch * static_cast<std::uint64_t>(size), size)) {
    ++shown.at(static_cast<std::size_t>(sample.window.offset_bp / 100))
          .at(static_cast<std::size_t>(sample.cell));
  }
  return shown;
}

TEST(CellSampling, EqualWeights_eachWindow_hasItsNumberOfDifferentCells) {
  for (const std::int64_t picks : {1, 2, 3, 6, 7}) {
    const PretrainingOrder order = order_of({0, 1, 2, 3, 4, 5, 6}, picks, {});
    ASSERT_EQ(order.epoch_size(), kWindows * picks);
    for (std::uint64_t epoch = 0; epoch < 20; ++epoch) {
      for (const auto& cells : shown_in(order, epoch, 7)) {
        std::int64_t sum = 0;
        for (const int times : cells) {
          EXPECT_LE(times, 1);
          sum += times;
        }
        EXPECT_EQ(sum, picks);
      }
    }
  }
}

// Each window and epoch draws on its own, and a cell type's number of picks is its expectation
// rounded down or up: a coin with the fraction as its probability.
void expect_shares(std::int64_t picks, const std::vector<double>& weights) {
  constexpr std::uint64_t kEpochs = 1500;
  std::vector<std::int32_t> cells(weights.size());
  double sum = 0.0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    cells[i] = static_cast<std::int32_t>(i);
    sum += weights[i];
  }
  const PretrainingOrder order = order_of(cells, picks, weights);
  const auto draws = static_cast<double>(kEpochs * kWindows);
  const auto n = static_cast<double>(picks == 0 ? std::ssize(cells) : picks);
  std::vector<double> total(weights.size());
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (const auto& shown : shown_in(order, epoch, weights.size())) {
      for (std::size_t i = 0; i < shown.size(); ++i) {
        const double expected = n * weights[i] / sum;
        ASSERT_GE(shown[i], std::floor(expected + 1e-6));
        ASSERT_LE(shown[i], std::ceil(expected - 1e-6));
        total[i] += shown[i];
      }
    }
  }
  for (std::size_t i = 0; i < total.size(); ++i) {
    const double expected = n * weights[i] / sum;
    const double part = expected - std::floor(expected);
    EXPECT_NEAR(total[i], draws * expected, 4.5 * std::sqrt(draws * part * (1.0 - part)) + 1e-3)
        << "cell type " << i << " of weight " << weights[i];
  }
}

TEST(CellSampling, UnequalWeights_manyEpochs_showCellsInProportion) {
  expect_shares(2, {1.0, 2.0, 1.0, 4.0, 0.5});
  expect_shares(1, {0.1, 0.2, 0.3});
  expect_shares(3, {1e-6, 7.0, 3.0, 3.0});
}

TEST(CellSampling, AllCells_weightTwo_isShownTwiceAsOftenAsOne) {
  expect_shares(0, {1.0, 2.0, 1.0, 1.0});
  expect_shares(0, {2.0, 1.0});
}

// With equal weights and random order every set of two is equally likely: 10 pairs of 5 cell types,
// chi-squared with 9 degrees of freedom, mean 9, sigma 4.2.
TEST(CellSampling, EqualWeights_pairsOfCells_comeEquallyOften) {
  constexpr std::uint64_t kEpochs = 1000;
  const PretrainingOrder order = order_of({0, 1, 2, 3, 4}, 2, {});
  std::map<std::pair<std::size_t, std::size_t>, double> pairs;
  for (std::uint64_t epoch = 0; epoch < kEpochs; ++epoch) {
    for (const auto& shown : shown_in(order, epoch, 5)) {
      std::vector<std::size_t> picked;
      for (std::size_t i = 0; i < 5; ++i) {
        if (shown[i] > 0) picked.push_back(i);
      }
      pairs[{picked.at(0), picked.at(1)}] += 1.0;
    }
  }
  ASSERT_EQ(pairs.size(), 10U);
  const double expected = static_cast<double>(kEpochs * kWindows) / 10.0;
  double chi = 0.0;
  for (const auto& [pair, count] : pairs) chi += (count - expected) * (count - expected) / expected;
  EXPECT_LT(chi, 9.0 + 5 * 4.2);
}

TEST(CellSampling, SeedWindowAndEpoch_changeThePicks) {
  const PretrainingOrder order = order_of({0, 1, 2, 3, 4, 5, 6, 7}, 3, {});
  std::set<std::vector<int>> sets;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    const auto shown = shown_in(order, epoch, 8);
    sets.insert(shown.begin(), shown.end());
  }
  // 60 draws of 56 sets: about 37 different ones, sigma 2.7.
  EXPECT_GT(sets.size(), 23U);
  EXPECT_NE(shown_in(order, 1, 8), shown_in(order, 1 + (1ULL << 32U), 8));
}

TEST(CellSampling, AnyChunks_areTheSameSamples) {
  const PretrainingOrder order = order_of({0, 1, 2, 3, 4}, 3, {1, 2, 3, 4, 5});
  const auto whole = take(order, 50, 120);
  for (const std::int64_t size : {1, 7, 40}) {
    std::vector<SampleRef> joined;
    for (std::int64_t first = 0; first < 120; first += size) {
      const auto part = take(order, 50 + static_cast<std::uint64_t>(first),
                             std::min<std::int64_t>(size, 120 - first));
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_EQ(joined, whole) << size;
  }
}

TEST(CellSampling, MorePicksThanCells_isAConfigError) {
  EXPECT_THROW((void)order_of({0, 1, 2}, 4, {}), epi::core::ConfigError);
  EXPECT_EQ(order_of({0, 1, 2}, 3, {}).epoch_size(), 3 * kWindows);
}

}  // namespace
