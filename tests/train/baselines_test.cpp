// Baselines against hand arithmetic, and against what every probability must obey: summed over all
// the hidden bases could have been, it is 1.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

#include "dist/communicator.hpp"
#include "train/dna_baselines.hpp"
#include "train/state_baselines.hpp"

namespace epi::train {
namespace {

std::vector<std::uint8_t> codes(const std::string& text) {
  std::vector<std::uint8_t> out;
  for (const char base : text) {
    out.push_back(static_cast<std::uint8_t>(std::string("ACGTN").find(base)));
  }
  return out;
}

std::vector<std::uint8_t> random_bases(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> out(count);
  for (std::size_t i = 0; i < count; ++i) {  // a chain: a base likes to repeat the one before
    out[i] = (i > 0 && random() % 3 == 0) ? out[i - 1] : static_cast<std::uint8_t>(random() % 4);
  }
  return out;
}

DnaBaselines fitted(std::int32_t k, const std::vector<std::uint8_t>& sequence) {
  DnaBaselines baselines(k);
  baselines.add(sequence);
  baselines.fit(*dist::make_solo());
  return baselines;
}

double at(const DnaScores& scores, DnaBaseline baseline) {
  return scores.at(static_cast<std::size_t>(baseline));
}

TEST(DnaBaselines, unigram_countsBothStrandsWithOnePseudoCount) {
  // AAAC: A 3, C 1; reverse complement GTTT: G 1, T 3. Eight bases, four pseudo-counts.
  const DnaBaselines baselines = fitted(1, codes("AAAC"));
  const auto bases = codes("A");
  const std::vector<std::uint8_t> hidden{1};
  const DnaScores scores = baselines.score({bases, hidden}, 0);
  EXPECT_NEAR(at(scores, DnaBaseline::unigram), -std::log(4.0 / 12.0), 1e-12);
  EXPECT_NEAR(at(scores, DnaBaseline::uniform), std::log(4.0), 1e-12);
}

TEST(DnaBaselines, N_interruptsCounting) {
  const DnaBaselines baselines = fitted(2, codes("ANC"));  // no pair of neighbouring bases
  const auto bases = codes("AC");
  const std::vector<std::uint8_t> hidden{1, 1};
  EXPECT_NEAR(at(baselines.score({bases, hidden}, 0), DnaBaseline::unigram), std::log(16.0), 1e-12);
}

TEST(DnaBaselines, gcUnigram_leansToTheVisibleShare) {
  const DnaBaselines baselines = fitted(1, codes("ACGTACGTACGTACGT"));
  const std::vector<std::uint8_t> hidden = [] {
    std::vector<std::uint8_t> out(41, 0);
    out[20] = 1;
    return out;
  }();
  auto bases = codes(std::string(20, 'G') + "C" + std::string(20, 'G'));
  // 40 visible GC bases and 10 prior observations at 1/2: GC share 45/50, C has half of it.
  EXPECT_NEAR(at(baselines.score({bases, hidden}, 20), DnaBaseline::gc_unigram), -std::log(0.45),
              1e-9);
}

TEST(DnaBaselines, chain_knowsAPeriodAndTwoSidedKnowsMore) {
  std::string period;
  for (int i = 0; i < 500; ++i) period += "AAC";
  const DnaBaselines baselines = fitted(1, codes(period));
  auto bases = codes("AACAACAACAAC");
  std::vector<std::uint8_t> hidden(bases.size(), 0);
  hidden[5] = 1;
  const DnaScores scores = baselines.score({bases, hidden}, 5);
  EXPECT_LT(at(scores, DnaBaseline::chain), 0.05);
  EXPECT_LT(at(scores, DnaBaseline::two_sided_chain), at(scores, DnaBaseline::chain));
  EXPECT_GT(at(scores, DnaBaseline::unigram), 1.0);
}

TEST(DnaBaselines, everyBaseline_sumsToOneOverWhatIsHidden) {
  const DnaBaselines baselines = fitted(3, random_bases(5000, 1));
  auto bases = random_bases(40, 2);
  std::vector<std::uint8_t> hidden(bases.size(), 0);
  for (const std::size_t i : {18U, 19U, 20U}) hidden[i] = 1;
  DnaScores sums{};
  for (std::uint8_t kmer = 0; kmer < 64; ++kmer) {
    bases[18] = kmer / 16;
    bases[19] = (kmer / 4) % 4;
    bases[20] = kmer % 4;
    const DnaScores scores = baselines.score({bases, hidden}, 18);
    for (std::size_t i = 0; i < scores.size(); ++i) sums.at(i) += std::exp(-scores.at(i));
  }
  for (const double sum : sums) EXPECT_NEAR(sum, 1.0, 1e-9);
}

TEST(DnaBaselines, overlappingToken_isGivenItsVisibleBases) {
  const DnaBaselines baselines = fitted(3, random_bases(5000, 3));
  auto bases = random_bases(40, 4);
  std::vector<std::uint8_t> hidden(bases.size(), 0);
  hidden[19] = 1;  // one base of the token 18..20
  DnaScores sums{};
  for (std::uint8_t base = 0; base < 4; ++base) {
    bases[19] = base;
    const DnaScores scores = baselines.score({bases, hidden}, 18);
    for (std::size_t i = 0; i < scores.size(); ++i) sums.at(i) += std::exp(-scores.at(i));
  }
  for (const double sum : sums) EXPECT_NEAR(sum, 1.0, 1e-9);
}

TEST(DnaBaselines, fittedOverRanks_equalsFittedAlone) {
  const auto first = random_bases(1000, 5);
  const auto second = random_bases(1000, 6);
  DnaBaselines alone(2);
  alone.add(first);
  alone.add(second);
  alone.fit(*dist::make_solo());
  const auto bases = random_bases(20, 7);
  std::vector<std::uint8_t> hidden(20, 0);
  hidden[10] = hidden[11] = 1;
  const DnaScores expected = alone.score({bases, hidden}, 10);
  dist::run_threads(2, [&](dist::Communicator& world) {
    DnaBaselines part(2);
    part.add(world.rank() == 0 ? first : second);
    part.fit(world);
    EXPECT_EQ(part.score({bases, hidden}, 10), expected);
  });
}

TEST(HiddenBin, nearestVisibleTypes_skipMaskedOnes) {
  const std::vector<std::int32_t> types{0, 2, 2, 6, 6, 6, 3, 0};  // [CLS] .. [SEP], 6 masked
  const HiddenBin bin = hidden_bin(types, 4, 6, 2);
  EXPECT_EQ(bin.left, 2);
  EXPECT_EQ(bin.right, 3);
  EXPECT_TRUE(bin.differs());
  const std::vector<std::int32_t> all{0, 6, 6, 6, 0};
  EXPECT_EQ(hidden_bin(all, 2, 6, 1).left, HiddenBin::kNone);
  EXPECT_FALSE(hidden_bin(all, 2, 6, 1).differs());
  EXPECT_FALSE((HiddenBin{.state = 2, .left = 2, .right = 0}).differs()) << "missing is no state";
}

TEST(StateBaselines, otherStrand_sharesItsRow) {
  StateBaselines baselines(2);
  baselines.add({.state = 2, .left = 1, .right = 2});
  baselines.fit(*dist::make_solo());
  const std::vector<std::int32_t> others{0, 0, 0};
  EXPECT_EQ(baselines.score({.state = 2, .left = 2, .right = 1}, others).nats[1],
            baselines.score({.state = 2, .left = 1, .right = 2}, others).nats[1]);
}

TEST(StateBaselines, tables_matchHandArithmetic) {
  StateBaselines baselines(2);
  for (int i = 0; i < 3; ++i) baselines.add({.state = 1, .left = 1, .right = 1});
  baselines.add({.state = 2, .left = 1, .right = 2});
  baselines.fit(*dist::make_solo());
  // Both strands: 6 and 2 bins, one pseudo-count each: 7/10 and 3/10. Row (1,2): one of state 2.
  const std::vector<std::int32_t> others{0, 1, 3};
  const StateScores scores = baselines.score({.state = 2, .left = 1, .right = 2}, others);
  EXPECT_NEAR(scores.nats[0], -std::log(0.3), 1e-12);
  EXPECT_NEAR(scores.nats[1], -std::log((1.0 + 0.3) / 2.0), 1e-12);
  EXPECT_NEAR(scores.nats[2], -std::log((3.0 + 0.3) / 5.0), 1e-12);
  EXPECT_EQ(scores.answer, (std::array<std::int32_t, 3>{1, 2, 2}));
}

TEST(StateBaselines, unseenNeighbours_fallBackToTheUnigram) {
  StateBaselines baselines(2);
  for (int i = 0; i < 3; ++i) baselines.add({.state = 1, .left = 1, .right = 1});
  baselines.fit(*dist::make_solo());
  const std::vector<std::int32_t> others{3, 0, 0};
  const StateScores scores = baselines.score({.state = 2, .left = 2, .right = 2}, others);
  EXPECT_NEAR(scores.nats[1], scores.nats[0], 1e-12);
  EXPECT_EQ(scores.answer[1], 1);
}

}  // namespace
}  // namespace epi::train
