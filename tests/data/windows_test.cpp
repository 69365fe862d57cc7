// Windows and orders: inside their regions whatever the jitter, every pair once an epoch, the same
// for any way of asking.
#include "data/orders.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "core/error.hpp"

namespace {

using namespace epi::data;
using epi::core::SampleRef;
using epi::core::Strand;
using epi::core::WindowRef;

/// Contig 0 in two segments (0..1000, 1000..2050), contig 1 in one that starts at 400.
class Windows_test : public ::testing::Test {
 protected:
  Windows_test() {
    manifest_.contigs = {{"chrA", 2050, 0, 0, 0, ""}, {"chrB", 900, 0, 0, 0, ""}};
    manifest_.bin_bp = 100;
    manifest_.guard_bp = 100;
    manifest_.regions[0] = {{0, 30, 1500}, {1, 0, 900}};
    manifest_.regions[1] = {{0, 1600, 2050}};
    segments_ = {{{0, 0, 1000, nullptr, nullptr},
                  {0, 1000, 1050, nullptr, nullptr},
                  {1, 400, 500, nullptr, nullptr}}};
  }
  [[nodiscard]] epi::core::CorpusView corpus() const { return {segments_, 3, 5, 100}; }
  [[nodiscard]] WindowTable table(Split split, std::int64_t window_bp = 100) const {
    return {manifest_, corpus(), split, window_bp};
  }
  /// Contig and first base of a window.
  [[nodiscard]] std::pair<std::int32_t, std::int64_t> place(const WindowRef& window) const {
    const auto& segment = segments_.at(static_cast<std::size_t>(window.segment));
    return {segment.contig, segment.start_bp + window.offset_bp};
  }
  [[nodiscard]] bool inside(Split split, const WindowRef& window, std::int64_t window_bp) const {
    const auto& segment = segments_.at(static_cast<std::size_t>(window.segment));
    if (window.offset_bp < 0 || window.offset_bp + window_bp > segment.length_bp) return false;
    const auto [contig, start] = place(window);
    for (const Interval& region : manifest_.regions[static_cast<int>(split)]) {
      if (region.contig == contig && region.start_bp <= start && start + window_bp <= region.end_bp)
        return true;
    }
    return false;
  }

  Manifest manifest_;
  std::array<epi::core::SegmentView, 3> segments_;
};

TEST_F(Windows_test, Table_stretches_areTiledAsByHand) {
  const WindowTable train = table(Split::train);
  // 30..1000: 9 windows; 1000..1500: 5; 400..900: 5.
  EXPECT_EQ(train.size(), 19);
  EXPECT_EQ(train.at(0), (WindowRef{0, 30}));
  EXPECT_EQ(train.at(8), (WindowRef{0, 830}));
  EXPECT_EQ(train.at(9), (WindowRef{1, 0}));
  EXPECT_EQ(train.at(18), (WindowRef{2, 400}));
  EXPECT_EQ(train.jittered(4, 0.0F), (WindowRef{0, 380})) << "half a window back";
  EXPECT_EQ(train.jittered(4, 0.75F), (WindowRef{0, 455}));
  EXPECT_EQ(train.jittered(0, 0.0F), (WindowRef{0, 30})) << "not before its stretch";
  EXPECT_EQ(train.jittered(8, 0.99F), (WindowRef{0, 879})) << "into what the tiling left over";
  EXPECT_EQ(train.jittered(18, 0.99F).segment, 2);
  EXPECT_EQ(table(Split::valid).size(), 4);
  EXPECT_EQ(table(Split::test).size(), 0);
  EXPECT_THROW((void)train.at(19), epi::core::LogicError);
}

TEST_F(Windows_test, Table_guardShorterThanAWindow_isAConfigError) {
  EXPECT_THROW((void)table(Split::train, 101), epi::core::ConfigError);
  manifest_.regions[1] = {};
  EXPECT_EQ(table(Split::train, 970).size(), 1) << "only contig splits: no guard is needed";
}

TEST_F(Windows_test, Jitter_anyValue_staysInsideAndSharesNothing) {
  std::set<std::pair<std::int32_t, std::int64_t>> train_bases;
  for (const std::int64_t window_bp : {1, 7, 64, 99, 100}) {
    for (const Split split : {Split::train, Split::valid}) {
      const WindowTable windows = table(split, window_bp);
      for (std::int64_t i = 0; i < windows.size(); ++i) {
        for (const float jitter : {0.0F, 0.3F, 0.77F, 0.99999994F}) {
          const WindowRef window = windows.jittered(i, jitter);
          ASSERT_TRUE(inside(split, window, window_bp)) << window_bp << " " << i << " " << jitter;
          const auto [contig, start] = place(window);
          for (std::int64_t base = start; base < start + window_bp; ++base) {
            if (split == Split::train)
              train_bases.insert({contig, base});
            else
              ASSERT_EQ(train_bases.count({contig, base}), 0U) << "a base in both splits";
          }
        }
      }
    }
  }
}

std::vector<SampleRef> take(const SampleSource& source, std::uint64_t first, std::size_t count) {
  std::vector<SampleRef> samples(count);
  source.samples(first, samples);
  return samples;
}

TEST_F(Windows_test, Pretraining_epoch_showsEveryPairOnce) {
  const WindowTable windows = table(Split::train);
  const PretrainingOrder order(windows, {0, 2}, {.seed = 3, .jitter = false});
  ASSERT_EQ(order.epoch_size(), 38);
  std::vector<std::vector<SampleRef>> epochs;
  for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
    epochs.push_back(take(order, epoch * 38, 38));
    std::set<std::tuple<std::int32_t, std::int64_t, std::int32_t>> seen;
    for (const SampleRef& sample : epochs.back()) {
      seen.insert({sample.window.segment, sample.window.offset_bp, sample.cell});
      EXPECT_TRUE(sample.cell == 0 || sample.cell == 2);
    }
    EXPECT_EQ(seen.size(), 38U);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
  EXPECT_NE(take(PretrainingOrder(windows, {0, 2}, {.seed = 4, .jitter = false}), 0, 38),
            epochs[0]);
}

TEST_F(Windows_test, Pretraining_anySplitOfSlots_isTheSame) {
  const PretrainingOrder order(table(Split::train, 64), {0, 1, 2}, {.seed = 9});
  const std::uint64_t first = 0xffffffffULL - 100;  // over the edge of 32 bits
  const auto whole = take(order, first, 240);
  for (const std::size_t ranks : {1U, 2U, 4U, 5U}) {
    std::vector<SampleRef> joined;
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      const auto part = take(order, first + rank * (240 / ranks), 240 / ranks);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    EXPECT_EQ(joined, whole) << ranks;
  }
}

TEST_F(Windows_test, Pretraining_jitterAndStrand_varyAndStayInside) {
  const PretrainingOrder order(table(Split::train, 64), {0}, {.seed = 1});
  int reverse = 0;
  std::set<std::int64_t> phases;
  const auto samples = take(order, 0, 4000);
  for (const SampleRef& sample : samples) {
    ASSERT_TRUE(inside(Split::train, sample.window, 64));
    reverse += sample.strand == Strand::reverse ? 1 : 0;
    if (sample.window.segment == 1) phases.insert(sample.window.offset_bp % 64);
  }
  EXPECT_NEAR(reverse, 2000, 4 * 32);  // 4 sigma of 4,000 coins
  EXPECT_EQ(phases.size(), 64U) << "k-mers are seen in every phase";
  for (const SampleRef& sample :
       take(PretrainingOrder(table(Split::train), {0}, {1, false, false}), 0, 100)) {
    EXPECT_EQ(sample.strand, Strand::forward);
  }
}

TEST_F(Windows_test, Pretraining_nothingToShow_isAnInputError) {
  EXPECT_THROW(PretrainingOrder(table(Split::test), {0}, {}), epi::core::InputError);
  EXPECT_THROW(PretrainingOrder(table(Split::train), {}, {}), epi::core::InputError);
}

TEST_F(Windows_test, Evaluation_anyCount_hasDifferentPairsSpreadEvenly) {
  const WindowTable windows = table(Split::train);
  for (std::int64_t count = 1; count <= 57; ++count) {
    const EvaluationOrder order(windows, {0, 1, 2}, count);
    ASSERT_EQ(order.epoch_size(), count);
    std::set<std::tuple<std::int32_t, std::int64_t, std::int32_t>> pairs;
    std::map<std::int32_t, int> per_cell;
    for (const SampleRef& sample : take(order, 0, static_cast<std::size_t>(count))) {
      pairs.insert({sample.window.segment, sample.window.offset_bp, sample.cell});
      ++per_cell[sample.cell];
      EXPECT_EQ(sample.strand, Strand::forward);
    }
    EXPECT_EQ(std::ssize(pairs), count);
    for (const auto& [cell, times] : per_cell) EXPECT_LE(times, (count + 2) / 3);
  }
  EXPECT_EQ(EvaluationOrder(windows, {0, 1, 2}, 0).epoch_size(), 57);
  EXPECT_EQ(EvaluationOrder(windows, {0, 1, 2}, 58).epoch_size(), 57);
}

}  // namespace
