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
    manifest_.contigs = {{"chrA", 2050, 0, 0, 0, "", ""}, {"chrB", 900, 0, 0, 0, "", ""}};
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

TEST_F(Windows_test, Table_guardShorterThanABin_isAConfigError) {
  manifest_.guard_bp = 99;
  EXPECT_THROW((void)table(Split::train, 50), epi::core::ConfigError)
      << "a bin of 100 bp would be seen from both sides of the guard";
  manifest_.regions[1] = {{1, 0, 900}};
  manifest_.regions[0] = {{0, 30, 1500}};
  EXPECT_EQ(table(Split::train, 970).size(), 1) << "no contig is shared";
}

/// One segment of 1,050 bases from base 5 of a contig on, 10 windows of 100 and a rest of 50, with
/// N (some of them soft-masked) at 120..179, 400..499 and 740..769.
class Windows_acgt : public ::testing::Test {
 protected:
  Windows_acgt() {
    manifest_.contigs = {{"chrA", 1055, 0, 0, 0, "", ""}};
    manifest_.bin_bp = 10;
    manifest_.regions[0] = {{0, 5, 1055}};
    for (std::size_t i = 0; i < bases_.size(); ++i) {
      const bool unknown = (i >= 120 && i < 180) || (i >= 400 && i < 500) || (i >= 740 && i < 770);
      const auto base = static_cast<std::uint8_t>(unknown ? 4 : i % 4);
      bases_[i] = static_cast<std::uint8_t>(base + 8 * (i / 7 % 2));
    }
    segment_ = {{{0, 5, 1050, bases_.data(), nullptr}}};
  }
  [[nodiscard]] WindowTable table(double min_acgt, std::int64_t window_bp = 100) const {
    return {manifest_, {segment_, 1, 5, 10}, Split::train, window_bp, min_acgt};
  }
  [[nodiscard]] std::vector<std::int64_t> starts(const WindowTable& windows) const {
    std::vector<std::int64_t> out;
    for (std::int64_t i = 0; i < windows.size(); ++i) out.push_back(windows.at(i).offset_bp);
    return out;
  }
  [[nodiscard]] std::int64_t known(std::int64_t start, std::int64_t window_bp) const {
    return std::count_if(bases_.begin() + start, bases_.begin() + start + window_bp,
                         [](std::uint8_t base) { return base % 8 < 4; });
  }

  Manifest manifest_;
  std::vector<std::uint8_t> bases_ = std::vector<std::uint8_t>(1050);
  std::array<epi::core::SegmentView, 1> segment_;
};

TEST_F(Windows_acgt, Table_poorWindows_areLeftOutAsByHand) {
  using Starts = std::vector<std::int64_t>;
  // Windows 1, 4 and 7 have 40, 0 and 70 known bases.
  EXPECT_EQ(starts(table(0.5)), (Starts{0, 200, 300, 500, 600, 700, 800, 900}));
  EXPECT_EQ(starts(table(0.4)), (Starts{0, 100, 200, 300, 500, 600, 700, 800, 900}));
  EXPECT_EQ(starts(table(0.7)).size(), 8U) << "70 of 100 will do";
  EXPECT_EQ(starts(table(0.71)), (Starts{0, 200, 300, 500, 600, 800, 900}));
  EXPECT_EQ(starts(table(1.0)).size(), 7U);
  EXPECT_EQ(table(0.0).size(), 10);
  EXPECT_FALSE(table(0.0).leaves_out());
  EXPECT_TRUE(table(0.4).leaves_out());
  std::fill(bases_.begin(), bases_.end(), std::uint8_t{4});
  EXPECT_EQ(table(0.01).size(), 0);
  EXPECT_THROW(PretrainingOrder(table(0.01), {0}, {}), epi::core::InputError);
}

TEST_F(Windows_acgt, Jitter_towardsN_doesNotMoveTheWindow) {
  for (const std::int64_t window_bp : {1, 7, 64, 100, 333}) {
    for (const double share : {0.2, 0.5, 0.9}) {
      const WindowTable windows = table(share, window_bp);
      const WindowTable all = table(0.0, window_bp);
      const auto needed = share * static_cast<double>(window_bp) - 1e-9;
      for (std::int64_t i = 0; i < windows.size(); ++i) {
        const std::int64_t unmoved = windows.at(i).offset_bp;
        ASSERT_EQ(unmoved % window_bp, 0);
        for (const float jitter : {0.0F, 0.2F, 0.5F, 0.8F, 0.999F}) {
          const std::int64_t wanted = all.jittered(unmoved / window_bp, jitter).offset_bp;
          const bool enough = static_cast<double>(known(wanted, window_bp)) >= needed;
          ASSERT_EQ(windows.jittered(i, jitter).offset_bp, enough ? wanted : unmoved);
          ASSERT_TRUE(enough || windows.leaves_out());
        }
      }
    }
  }
}

TEST_F(Windows_acgt, LeavesOut_fewN_saysThatNothingChanges) {
  EXPECT_FALSE(table(0.5, 333).leaves_out()) << "at most 100 + 60 N side by side";
  EXPECT_TRUE(table(0.9, 333).leaves_out());
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

// Written down when windows had no share of A C G T and cell types no weights: runs that began then
// go on with the same samples.
TEST_F(Windows_test, Pretraining_allCellsAlike_keepsTheOrderOfOldRuns) {
  const std::vector<SampleRef> first = {
      {{0, 751}, 1, Strand::reverse, 0}, {{2, 99}, 1, Strand::forward, 0},
      {{0, 830}, 1, Strand::reverse, 0}, {{0, 327}, 2, Strand::forward, 0},
      {{1, 104}, 2, Strand::reverse, 0}, {{1, 138}, 0, Strand::reverse, 0},
  };
  const std::vector<SampleRef> later = {
      {{1, 178}, 1, Strand::reverse, 0}, {{0, 667}, 1, Strand::forward, 0},
      {{0, 96}, 1, Strand::forward, 0},  {{0, 557}, 1, Strand::reverse, 0},
      {{0, 925}, 1, Strand::forward, 0}, {{1, 233}, 1, Strand::forward, 0},
  };
  const PretrainingOptions options[] = {
      {.seed = 9}, {.seed = 9, .cells_per_window = 3}, {.seed = 9, .weights = {2.5, 2.5, 2.5}}};
  for (const PretrainingOptions& alike : options) {
    const PretrainingOrder order(table(Split::train, 64), {0, 1, 2}, alike);
    EXPECT_EQ(take(order, 0, 6), first);
    EXPECT_EQ(take(order, 1234567890123ULL, 6), later);
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
