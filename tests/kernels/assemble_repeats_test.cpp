// Targets in repeats: kept, of less weight, or none.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernels/assemble_job.hpp"
#include "kernels/ops.hpp"

namespace {

using namespace epi::testing;

/// A segment of A (forward), lower case where `soft` says 'l', without states.
struct CaseSegment {
  explicit CaseSegment(const std::string& soft) {
    for (const char c : soft) bases.push_back(c == 'l' ? epi::core::kSoftMasked : std::uint8_t{0});
    segments[0] = {0, 0, static_cast<std::int64_t>(bases.size()), bases.data(), nullptr};
  }
  std::vector<std::uint8_t> bases;
  std::array<epi::core::SegmentView, 1> segments{};
};

/// Weights, targets and targets in repeats when all tokens of both strands are hidden.
std::pair<std::vector<float>, std::array<std::int64_t, 2>> weights_of(const std::string& soft,
                                                                      epi::kernels::Repeats what) {
  const CaseSegment genome(soft);
  const epi::core::CorpusView corpus{genome.segments, 0, 0, 200};
  std::array<SampleRef, 2> samples{};
  samples[0].cell = samples[1].cell = -1;
  samples[1].strand = Strand::reverse;
  MaskSpec masks = dna_only(1.0F, 1.0F, 0.0F);
  masks.repeats = what;
  masks.repeat_weight = 0.5F;
  const TokenSpec spec{4, 4, 2 + static_cast<std::int32_t>(soft.size() / 4)};
  const std::int64_t slots = epi::kernels::dna_slots(spec, masks);
  std::vector<std::int32_t> ids(at(2 * spec.length)), types(ids), rows(at(2 * slots)), labels(rows);
  std::vector<float> weights(at(2 * slots));
  std::array<std::int64_t, epi::kernels::kNumCounts> counts{};
  StepState state;
  AssembleArgs args;
  args.corpus = &corpus;
  args.samples = samples;
  args.tokens = spec;
  args.masks = masks;
  args.state = &state;
  args.token_ids = View(ids.data(), {2, spec.length});
  args.type_ids = View(types.data(), {2, spec.length});
  args.dna_rows = View(rows.data(), {2, slots});
  args.dna_labels = View(labels.data(), {2, slots});
  args.dna_weights = View(weights.data(), {2, slots});
  args.counts = View(counts.data(), {epi::kernels::kNumCounts});
  epi::core::Stream stream(epi::core::kCpu);
  epi::kernels::tested_ops().assemble(args, stream);
  return {weights, {counts[epi::kernels::kDnaTargets], counts[epi::kernels::kRepeatTargets]}};
}

TEST(AssembleRepeats_test, Repeats_byHand_needMoreThanHalfOfATokensBases) {
  using epi::kernels::Repeats;
  using Floats = std::vector<float>;
  using Counts = std::array<std::int64_t, 2>;
  // Tokens of 4: 3 soft-masked, 2, none, 4. The other strand has them the other way round.
  const std::string soft = "lll..l.l....llll";
  const auto [kept, kept_counts] = weights_of(soft, Repeats::keep);
  EXPECT_EQ(kept, (Floats{1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_EQ(kept_counts, (Counts{8, 4})) << "counted whatever becomes of them";
  const auto [lighter, lighter_counts] = weights_of(soft, Repeats::downweight);
  EXPECT_EQ(lighter, (Floats{0.5F, 1, 1, 0.5F, 0.5F, 1, 1, 0.5F}));
  EXPECT_EQ(lighter_counts, (Counts{8, 4}));
  const auto [without, without_counts] = weights_of(soft, Repeats::exclude);
  EXPECT_EQ(without, (Floats{1, 1, 0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(without_counts, (Counts{4, 0}));
  const auto [none, none_counts] = weights_of("llllllll", Repeats::exclude);
  EXPECT_EQ(none, (Floats{0, 0, 0, 0})) << "a window of repeats has no DNA target";
  EXPECT_EQ(none_counts, (Counts{0, 0}));
}

TEST(AssembleRepeats_test, ExcludedRepeats_overlappingKmers_neverAmongTargets) {
  const Genome genome(200);  // half of its bases are soft-masked
  for (const TokenSpec& spec : {TokenSpec{6, 1, 258}, TokenSpec{5, 2, 200}}) {
    Job job{genome, spec, dna_only(0.3F, 0.8F, 0.1F)};
    job.masks.repeats = epi::kernels::Repeats::exclude;
    const Batch batch = assembled(job, random_samples(genome, spec, 40, 31));
    EXPECT_GT(batch.counts[epi::kernels::kDnaTargets], 0);
    EXPECT_EQ(batch.counts[epi::kernels::kRepeatTargets], 0);
    job.masks.repeats = epi::kernels::Repeats::keep;
    EXPECT_GT(
        assembled(job, random_samples(genome, spec, 40, 31)).counts[epi::kernels::kRepeatTargets],
        0);
  }
}

}  // namespace
