// Batches: against the plain reference, and properties that must hold whatever the code does:
// hidden bases can't be reconstructed, strands mirror each other, partitions give the same samples.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/assemble_job.hpp"
#include "kernels/masking.hpp"
#include "kernels/ops.hpp"

namespace {

using namespace epi::testing;

/// Shown base `j` of a sample.
int shown_base(const Genome& genome, const TokenSpec& spec, const SampleRef& sample,
               std::int64_t j) {
  if (sample.strand == Strand::forward) return genome.base(sample, j);
  const int base = genome.base(sample, spec.window_bp() - 1 - j);
  return base < 4 ? 3 - base : base;
}

/// Which shown bases of row `b` a reader learns from tokens that are k-mers and for which `visible`
/// holds; -1 where none tells, -2 where two disagree.
template <class Visible>
std::vector<int> reconstruct(const Job& job, const Batch& batch, std::int64_t b,
                             const Visible& visible) {
  std::vector<int> bases(at(job.spec.window_bp()), -1);
  for (std::int64_t i = 0; i < job.spec.dna_tokens(); ++i) {
    const std::int64_t row = b * job.spec.length + 1 + i;
    if (batch.tokens[at(row)] < epi::kernels::kFirstKmer || !visible(row)) continue;
    int code = batch.tokens[at(row)] - epi::kernels::kFirstKmer;
    for (int j = job.spec.k - 1; j >= 0; --j, code /= 4) {
      int& base = bases[at(i * job.spec.stride + j)];
      base = base == -1 || base == code % 4 ? code % 4 : -2;
    }
  }
  return bases;
}

TEST(Assemble_test, Tokens_smallWindowByHand_haveIdsTypesAndEnds) {
  const std::array<std::uint8_t, 8> bases{0, 1, 10, 3, 3, 0, 4, 2};  // A C g T T A N G
  const std::array<std::uint8_t, 4> states{1, 2, 0, 3};              // bins of 2 bp
  const std::array<const std::uint8_t*, 1> cells{states.data()};
  const std::array<epi::core::SegmentView, 1> segments{{{0, 0, 8, bases.data(), cells.data()}}};
  const epi::core::CorpusView corpus{segments, 1, 3, 2};
  std::array<SampleRef, 2> samples{};
  samples[1].strand = Strand::reverse;
  std::vector<std::int32_t> ids(12);
  std::vector<std::int32_t> types(12);
  std::vector<std::int64_t> counts(epi::kernels::kNumCounts);
  StepState state;
  AssembleArgs args{.corpus = &corpus,
                    .samples = samples,
                    .tokens = {2, 2, 6},
                    .masks = no_masks(),
                    .state = &state,
                    .token_ids = View(ids.data(), {2, 6}),
                    .type_ids = View(types.data(), {2, 6}),
                    .dna_rows = {},
                    .dna_labels = {},
                    .dna_weights = {},
                    .state_rows = {},
                    .state_labels = {},
                    .state_weights = {},
                    .counts = View(counts.data(), {epi::kernels::kNumCounts})};
  epi::core::Stream stream(epi::core::kCpu);
  epi::kernels::tested_ops().assemble(args, stream);
  // AC GT TA NG: 5 + 4*0+1, 5 + 4*2+3, 5 + 4*3+0, unknown. Reversed: CN TA AC GT.
  EXPECT_EQ(ids, (std::vector<std::int32_t>{2, 6, 16, 17, 1, 3, 2, 1, 17, 6, 16, 3}));
  EXPECT_EQ(types, (std::vector<std::int32_t>{0, 1, 2, 0, 3, 0, 0, 3, 0, 2, 1, 0}));
  EXPECT_EQ(counts, (std::vector<std::int64_t>{0, 0, 0, 0}));
}

TEST(Assemble_test, Slots_knownShapes_areAsByHand) {
  const MaskSpec masks;  // 15 % of tokens, spans of one base, 15 % of bins
  EXPECT_EQ(epi::kernels::dna_slots({6, 6, 512}, masks), 77);      // 0.15 * 510 = 76.5
  EXPECT_EQ(epi::kernels::dna_slots({1, 1, 128}, masks), 19);      // 18.9
  EXPECT_EQ(epi::kernels::dna_slots({6, 1, 512}, masks), 13 * 6);  // 76.5 / 6 = 12.75
  EXPECT_EQ(epi::kernels::dna_slots({6, 6, 3}, masks), 1);
  MaskSpec wide = masks;
  wide.span_bases = 10;  // n + k - 1 = 15 tokens
  EXPECT_EQ(epi::kernels::dna_slots({6, 1, 512}, wide), 5 * 15);
  EXPECT_EQ(epi::kernels::dna_slots({6, 6, 512}, no_masks()), 0);
  // 3,060 bp touch at most 17 bins of 200 bp: 2.55; 510 bp at most 4: 0.6.
  EXPECT_EQ(epi::kernels::state_slots({6, 6, 512}, masks, 200), 3);
  EXPECT_EQ(epi::kernels::state_slots({1, 1, 512}, masks, 200), 1);
  EXPECT_EQ(epi::kernels::state_slots({1, 1, 512}, no_masks(), 200), 0);
}

TEST(Assemble_test, Assemble_manyShapes_matchesReference) {
  const std::array<TokenSpec, 12> specs{{{1, 1, 3},
                                         {1, 1, 64},
                                         {1, 1, 512},
                                         {6, 6, 3},
                                         {6, 6, 4},
                                         {6, 6, 128},
                                         {6, 6, 512},
                                         {6, 1, 8},
                                         {6, 1, 129},
                                         {3, 1, 200},
                                         {6, 2, 97},
                                         {4, 3, 100}}};
  MaskSpec heavy;
  heavy.dna_rate = heavy.state_rate = 0.9F;
  heavy.span_bases = 5;
  heavy.state_span_bins = 1.0F;
  MaskSpec half;
  half.mask_share = half.random_share = 0.4F;
  half.span_bases = 3;
  MaskSpec lighter = half;
  lighter.repeats = epi::kernels::Repeats::downweight;
  lighter.repeat_weight = 0.25F;
  MaskSpec without = heavy;
  without.repeats = epi::kernels::Repeats::exclude;
  for (const std::int32_t bin_bp : {7, 200, 5000}) {
    const Genome genome(bin_bp);
    for (const TokenSpec& spec : specs) {
      for (const MaskSpec& masks : {MaskSpec{}, heavy, half, lighter, without, no_masks()}) {
        Job job{genome, spec, masks};
        job.state.seed = 99;
        job.state.first_slot = 0xfffffffdULL;  // the low word overflows within the batch
        const auto samples = random_samples(genome, spec, 7, 3);
        EXPECT_EQ(assembled(job, samples, epi::kernels::tested_ops_again()),
                  by_reference(job, samples))
            << spec.k << "/" << spec.stride << " x " << spec.length << ", bins of " << bin_bp;
      }
    }
  }
}

TEST(Assemble_test, Reverse_ofReverse_isTheWindowAgain) {
  const Genome genome(7);
  const Job job{genome, {1, 1, 300}, no_masks()};
  auto samples = random_samples(genome, job.spec, 6, 11);
  for (auto& sample : samples) sample.strand = Strand::forward;
  const Batch forward = assembled(job, samples);
  for (auto& sample : samples) sample.strand = Strand::reverse;
  Batch reverse = assembled(job, samples);
  for (auto row = reverse.tokens.begin(); row != reverse.tokens.end(); row += 300) {
    std::reverse(row + 1, row + 299);
    std::for_each(row + 1, row + 299, [](std::int32_t& id) {
      if (id >= epi::kernels::kFirstKmer) id = 3 - (id - 5) + 5;
    });
  }
  for (auto row = reverse.types.begin(); row != reverse.types.end(); row += 300) {
    std::reverse(row + 1, row + 299);
  }
  EXPECT_EQ(forward.tokens, reverse.tokens);
  EXPECT_EQ(forward.types, reverse.types);
}

TEST(Assemble_test, Batches_anyPartitionAndOrder_areTheSame) {
  const Genome genome(200);
  Job job{genome, {6, 6, 66}, MaskSpec{}};
  job.state = {};
  job.state.seed = 5;
  const auto samples = random_samples(genome, job.spec, 8, 21);
  const Batch whole = assembled(job, samples);
  for (const std::size_t size : {8U, 4U, 1U}) {
    for (Ops* ops : {&epi::kernels::tested_ops(), &epi::kernels::tested_ops_again()}) {
      std::vector<std::int32_t> tokens;
      std::vector<std::int32_t> types;
      std::vector<std::int32_t> labels;
      for (std::size_t first = 0; first < 8; first += size) {
        job.state.first_slot = first;
        const Batch part = assembled(job, std::span(samples).subspan(first, size), *ops);
        tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
        types.insert(types.end(), part.types.begin(), part.types.end());
        labels.insert(labels.end(), part.dna_labels.begin(), part.dna_labels.end());
      }
      EXPECT_EQ(tokens, whole.tokens);
      EXPECT_EQ(types, whole.types);
      EXPECT_EQ(labels, whole.dna_labels);
    }
  }
}

TEST(Assemble_test, MaskedSpans_overlappingKmers_hideExactlyTheCountedBases) {
  const Genome genome(200);
  for (const std::int32_t span_bases : {1, 4}) {
    for (const TokenSpec& spec : {TokenSpec{6, 1, 258}, TokenSpec{6, 4, 99}, TokenSpec{3, 2, 77}}) {
      Job job{genome, spec, dna_only(0.15F, 1.0F, 0.0F)};
      job.masks.span_bases = span_bases;
      auto samples = random_samples(genome, spec, 16, 4);
      for (auto& sample : samples) sample.window.offset_bp = sample.window.offset_bp % 1000 + 200;
      const Batch batch = assembled(job, samples);
      std::int64_t unknown = 0;
      for (std::int64_t b = 0; b < 16; ++b) {
        const auto known = reconstruct(job, batch, b, [](std::int64_t) { return true; });
        unknown += std::count(known.begin(), known.end(), -1);
      }
      EXPECT_EQ(unknown, batch.counts[2]);
      EXPECT_GE(unknown, batch.counts[0] / spec.k * span_bases / 2);
      const auto spans = batch.counts[0] / (epi::kernels::plan_spans(spec, job.masks).tokens);
      EXPECT_GE(unknown, spans * span_bases) << "a span hides fewer bases than asked for";
    }
  }
}

TEST(Assemble_test, RandomSpans_overlappingKmers_tellNothingOfTheHiddenBases) {
  const Genome genome(200, false);
  Job job{genome, {6, 1, 258}, dna_only(0.15F, 0.0F, 1.0F)};
  job.masks.span_bases = 3;
  const auto samples = random_samples(genome, job.spec, 64, 9);
  const Batch batch = assembled(job, samples, epi::kernels::tested_ops_again());
  std::vector<char> target(batch.tokens.size());
  for (std::size_t slot = 0; slot < batch.dna_rows.size(); ++slot) {
    if (batch.dna_weights[slot] > 0) target[at(batch.dna_rows[slot])] = 1;
  }
  std::int64_t hidden = 0;
  std::int64_t right = 0;
  for (std::int64_t b = 0; b < 64; ++b) {
    const auto all = reconstruct(job, batch, b, [](std::int64_t) { return true; });
    const auto outside = reconstruct(job, batch, b, [&](std::int64_t r) { return !target[at(r)]; });
    for (std::int64_t j = 0; j < job.spec.window_bp(); ++j) {
      const int truth = shown_base(genome, job.spec, samples[at(b)], j);
      ASSERT_NE(all[at(j)], -2) << "shown k-mers contradict each other: a span can be spotted";
      if (outside[at(j)] >= 0) {
        EXPECT_EQ(all[at(j)], truth);
        continue;
      }
      ++hidden;
      right += all[at(j)] == truth ? 1 : 0;
    }
  }
  EXPECT_EQ(hidden, batch.counts[2]);
  ASSERT_GT(hidden, 800);
  // A guess is right once in four: 4 sigma of a binomial.
  const double sigma = std::sqrt(static_cast<double>(hidden) * 0.25 * 0.75);
  EXPECT_NEAR(static_cast<double>(right), static_cast<double>(hidden) / 4, 4 * sigma);
}

TEST(Assemble_test, KeptSpans_labels_areWhatIsShown) {
  const Genome genome(200);
  const Job job{genome, {6, 6, 100}, dna_only(0.2F, 0.0F, 0.0F)};
  const Batch batch = assembled(job, random_samples(genome, job.spec, 8, 2));
  ASSERT_GT(batch.counts[0], 100);
  for (std::size_t slot = 0; slot < batch.dna_rows.size(); ++slot) {
    if (batch.dna_weights[slot] == 0) continue;
    EXPECT_EQ(batch.tokens[at(batch.dna_rows[slot])], batch.dna_labels[slot]);
    EXPECT_GE(batch.dna_labels[slot], epi::kernels::kFirstKmer);
  }
}

TEST(Assemble_test, Shares_manyWindows_areAsAskedFor) {
  const Genome genome(200, false);
  Job job{genome, {6, 6, 130}, MaskSpec{}};
  job.state.seed = 17;
  const auto samples = random_samples(genome, job.spec, 400, 6);
  const Batch batch = assembled(job, samples, epi::kernels::tested_ops_again());
  double masked = 0;
  double kept = 0;
  const auto targets = static_cast<double>(batch.counts[0]);
  for (std::size_t slot = 0; slot < batch.dna_rows.size(); ++slot) {
    const std::int32_t shown = batch.tokens[at(batch.dna_rows[slot])];
    masked += shown == epi::kernels::kMask ? 1 : 0;
    kept += shown == batch.dna_labels[slot] ? 1 : 0;
  }
  EXPECT_EQ(batch.counts[0], 400 * 19);  // 0.15 * 128 = 19.2
  EXPECT_EQ(batch.counts[2], batch.counts[0] * 6);
  EXPECT_NEAR(masked / targets, 0.8, 4 * std::sqrt(0.8 * 0.2 / targets));
  EXPECT_NEAR(kept / targets, 0.1, 4 * std::sqrt(0.1 * 0.9 / targets));
}

TEST(Assemble_test, Targets_manyWindows_lieEverywhereAlike) {
  const Genome genome(200, false);
  Job job{genome, {6, 1, 34}, dna_only(0.2F, 1.0F, 0.0F)};
  const Batch batch =
      assembled(job, random_samples(genome, job.spec, 3000, 8), epi::kernels::tested_ops_again());
  std::array<double, 34> hits{};
  for (const std::int32_t row : batch.dna_rows) hits[at(row % 34)] += 1;
  // One span of 6 in 30 places between the outermost tokens; phases of 7 cut it alike but for ends.
  EXPECT_EQ(hits[1], 0);
  EXPECT_EQ(hits[32], 0);
  for (int i = 7; i < 27; ++i) EXPECT_NEAR(hits[at(i)] / 3000, 0.21, 0.05) << i;
}

TEST(Assemble_test, HiddenBins_allTokens_showTheMaskedTypeOnly) {
  const Genome genome(50);
  MaskSpec masks = no_masks();
  masks.state_rate = 0.3F;
  Job job{genome, {6, 6, 200}, masks};
  const auto samples = random_samples(genome, job.spec, 40, 12);
  const Batch batch = assembled(job, samples);
  const std::int64_t slots = epi::kernels::state_slots(job.spec, masks, 50);
  std::int64_t used = 0;
  for (std::int64_t b = 0; b < 40; ++b) {
    const SampleRef& sample = samples[at(b)];
    std::vector<int> shown(at(sample.window.offset_bp + job.spec.window_bp()) / 50 + 1, -1);
    const auto position = [&](std::int64_t i) {
      const std::int64_t centre = i * 6 + 3;
      return sample.window.offset_bp +
             (sample.strand == Strand::forward ? centre : job.spec.window_bp() - 1 - centre);
    };
    for (std::int64_t i = 0; i < job.spec.dna_tokens() && sample.cell >= 0; ++i) {
      const std::int64_t bin = position(i) / 50;
      const int type = batch.types[at(b * 200 + 1 + i)];
      EXPECT_TRUE(shown[at(bin)] == -1 || shown[at(bin)] == type) << "a hidden bin leaks";
      shown[at(bin)] = type;
      EXPECT_TRUE(type == kStates + 1 || type == genome.state(sample, bin));
    }
    for (std::int64_t slot = b * slots; slot < (b + 1) * slots; ++slot) {
      if (batch.state_weights[at(slot)] == 0) continue;
      ++used;
      const std::int64_t bin = position(batch.state_rows[at(slot)] - b * 200 - 1) / 50;
      EXPECT_EQ(shown[at(bin)], kStates + 1);
      EXPECT_EQ(batch.state_labels[at(slot)] + 1, genome.state(sample, bin));
      shown[at(bin)] = -2;  // one target per bin
    }
  }
  EXPECT_EQ(used, batch.counts[1]);
  EXPECT_GT(used, 40);
}

TEST(Assemble_test, HiddenBins_runs_areGeometricWithTheirMean) {
  MaskSpec masks = no_masks();
  masks.state_rate = 0.02F;  // 20 of 1,000 bins: runs seldom meet
  masks.state_span_bins = 5.0F;
  double runs = 0;
  double bins = 0;
  std::array<double, 1000> hits{};
  for (std::uint64_t slot = 0; slot < 3000; ++slot) {
    std::array<std::uint8_t, 1000> hidden{};
    epi::kernels::hide_bins({1, slot}, masks, 1000, 20, hidden.data());
    for (std::size_t b = 0; b < 1000; ++b) {
      bins += hidden[b];
      hits[b] += hidden[b];
      if (hidden[b] != 0 && (b == 0 || hidden[b - 1] == 0)) runs += 1;
    }
  }
  EXPECT_EQ(bins, 3000.0 * 20);
  // The cut of the last run shortens the mean: by simulation of the definition, about 4.2.
  EXPECT_NEAR(bins / runs, 4.2, 0.3);
  EXPECT_NEAR(hits[0] / 3000, 0.02, 0.011);
  EXPECT_NEAR(hits[999] / 3000, 0.02, 0.011);
}

TEST(Assemble_test, HiddenBins_rateOne_hidesAll) {
  MaskSpec masks = no_masks();
  masks.state_rate = 1.0F;
  const Genome genome(200);
  const Job job{genome, {1, 1, 450}, masks};
  auto samples = random_samples(genome, job.spec, 10, 3);
  for (auto& sample : samples) sample.cell = 1;
  const Batch batch = assembled(job, samples);
  for (std::size_t i = 0; i < batch.types.size(); ++i) {
    const bool special = i % 450 == 0 || i % 450 == 449;
    EXPECT_EQ(batch.types[i], special ? 0 : kStates + 1);
  }
}

TEST(Assemble_test, FewBins_smallWindow_hidesOne) {
  MaskSpec masks = no_masks();
  masks.state_rate = 0.15F;
  const Genome genome(200);
  const Job job{genome, {1, 1, 20}, masks};
  std::vector<SampleRef> samples(1);
  samples[0].window.offset_bp = 195;  // bins 0 and 1, states by the fixed generator
  const Batch batch = assembled(job, samples);
  const auto masked = std::count(batch.types.begin(), batch.types.end(), kStates + 1);
  EXPECT_TRUE(masked == 5 || masked == 13) << masked;
}

TEST(Assemble_test, StateDropout_share_isAsAskedFor) {
  MaskSpec masks = no_masks();
  masks.state_rate = 0.15F;
  masks.state_dropout = 0.1F;
  const Genome genome(200);
  const Job job{genome, {6, 6, 200}, masks};
  auto samples = random_samples(genome, job.spec, 3000, 5);
  for (auto& sample : samples) sample.cell = 0;
  const Batch batch = assembled(job, samples, epi::kernels::tested_ops_again());
  int dropped = 0;
  for (auto row = batch.types.begin(); row != batch.types.end(); row += 200) {
    dropped += std::all_of(row, row + 200, [](std::int32_t type) { return type == 0; }) ? 1 : 0;
  }
  EXPECT_NEAR(dropped / 3000.0, 0.1, 4 * std::sqrt(0.1 * 0.9 / 3000));
}

TEST(Assemble_test, NoCell_track_isMissing) {
  const Genome genome(200);
  const Job job{genome, {6, 6, 64}, MaskSpec{}};
  auto samples = random_samples(genome, job.spec, 4, 5);
  for (auto& sample : samples) sample.cell = -1;
  const Batch batch = assembled(job, samples);
  EXPECT_EQ(std::count(batch.types.begin(), batch.types.end(), 0), 4 * 64);
  EXPECT_EQ(batch.counts[1], 0);
  EXPECT_EQ(std::count(batch.state_weights.begin(), batch.state_weights.end(), 0.0F),
            std::ssize(batch.state_weights));
}

TEST(Assemble_test, AllN_window_hasNoTargets) {
  const Genome genome(200);
  const Job job{genome, {6, 1, 20}, MaskSpec{}};
  std::vector<SampleRef> samples(1);
  samples[0].window.offset_bp = 3005;  // 23 bases inside of a run of 37 N
  const Batch batch = assembled(job, samples);
  EXPECT_EQ(std::count(batch.tokens.begin(), batch.tokens.end(), epi::kernels::kUnknown), 18);
  EXPECT_EQ(batch.counts[0], 0);
  EXPECT_EQ(batch.counts[2], 0);
  EXPECT_EQ(batch.dna_weights[0], 0.0F);
  EXPECT_EQ(batch.dna_rows[0], 0);
}

TEST(Assemble_test, Counts_secondBatch_areAdded) {
  const Genome genome(200);
  const Job job{genome, {6, 6, 64}, MaskSpec{}};
  const auto samples = random_samples(genome, job.spec, 4, 5);
  const Batch once = assembled(job, samples);
  epi::core::Stream stream(epi::core::kCpu);
  const Batch twice = assemble(job, samples, [&](const AssembleArgs& args) {
    epi::kernels::tested_ops().assemble(args, stream);
    epi::kernels::tested_ops().assemble(args, stream);
  });
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(twice.counts[i], 2 * once.counts[i]);
}

}  // namespace
