// The fingerprint of samples: blind to which rank had which, and to nothing else.
#include "train/sample_fingerprint.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace epi::train {
namespace {

std::vector<core::SampleRef> samples(std::size_t count) {
  std::vector<core::SampleRef> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    all[i].window = {static_cast<std::int32_t>(i % 3), static_cast<std::int64_t>(i * 192)};
    all[i].cell = static_cast<std::int32_t>(i % 2);
  }
  return all;
}

TEST(SampleFingerprint_inAnyParts_sumsToTheSame, overRanks) {
  const std::vector<core::SampleRef> all = samples(24);
  const std::uint64_t whole = fingerprint_of(1000, all);
  for (const std::size_t ranks : {2U, 3U, 4U, 8U, 24U}) {
    SplitSum sum;
    const std::size_t each = all.size() / ranks;
    for (std::size_t rank = ranks; rank-- > 0;) {
      const SplitSum part = SplitSum::of(
          fingerprint_of(1000 + rank * each, std::span(all).subspan(rank * each, each)));
      sum.low += part.low;
      sum.high += part.high;
    }
    EXPECT_EQ(sum.value(), whole) << ranks << " ranks";
  }
}

TEST(SampleFingerprint_anythingElse_changesIt, bySample) {
  std::vector<core::SampleRef> all = samples(4);
  std::set<std::uint64_t> seen{fingerprint_of(8, all), fingerprint_of(9, all)};
  std::swap(all[0], all[1]);
  seen.insert(fingerprint_of(8, all));
  all[2].strand = core::Strand::reverse;
  seen.insert(fingerprint_of(8, all));
  all[2].cell = -1;
  seen.insert(fingerprint_of(8, all));
  all[3].window.offset_bp += 1;
  seen.insert(fingerprint_of(8, all));
  all[3].window.segment += 1;
  seen.insert(fingerprint_of(8, all));
  EXPECT_EQ(seen.size(), 7U);
  EXPECT_NE(rolled(rolled(0, 1), 2), rolled(rolled(0, 2), 1)) << "the order of steps counts";
}

TEST(SampleFingerprint_asText_comesBack, andNothingElse) {
  EXPECT_EQ(fingerprint_text(0xabcU), "0000000000000abc");
  EXPECT_EQ(fingerprint_from(fingerprint_text(~std::uint64_t{0})), ~std::uint64_t{0});
  EXPECT_EQ(fingerprint_from(""), 0U);
  EXPECT_EQ(fingerprint_from("12 monkeys"), 0U);
}

}  // namespace
}  // namespace epi::train
