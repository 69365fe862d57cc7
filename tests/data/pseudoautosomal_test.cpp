// Lengths are those of hg19 and hg38; the regions' places are the consortium's.
#include "data/pseudoautosomal.hpp"

#include <gtest/gtest.h>

#include <array>

namespace epi::data {
namespace {

using Regions = std::array<std::vector<Interval>, 3>;

std::vector<Contig> hg19() {
  std::vector<Contig> contigs(3);
  contigs[0].name = "chr1";
  contigs[0].length_bp = 249'250'621;
  contigs[1].name = "chrX";
  contigs[1].length_bp = 155'270'560;
  contigs[2].name = "chrY";
  contigs[2].length_bp = 59'373'566;
  return contigs;
}

std::string warning(const Regions& regions) {
  return pseudoautosomal_warning("hg19", hg19(), regions);
}

TEST(Pseudoautosomal_splits, XTrainsAndYTests_isToldWithTheNumberOfBases) {
  const Interval x{1, 60'000, 155'260'560};
  const Interval y{2, 10'000, 59'363'566};
  const std::string told = warning({{{{0, 0, 1'000'000}, x}, {}, {y}}});
  EXPECT_EQ(0U, told.find("2969037 bases of chrX")) << told;  // 2,639,520 + 329,517
  EXPECT_NE(std::string::npos, told.find("chrY")) << told;
  EXPECT_EQ("", warning({{{x, y}, {}, {}}})) << "one split";
  EXPECT_EQ("", warning({{{x}, {}, {{2, 2'649'520, 59'034'049}}}})) << "masked on Y";
}

TEST(Pseudoautosomal_splits, PlacesAreThoseOfTheCopies) {
  // X 60,000 is Y 10,000: the first 100 bases of both, and 40 of them in common.
  EXPECT_EQ(0U, warning({{{{1, 60'000, 60'100}}, {{2, 10'060, 10'200}}, {}}}).find("40 bases"));
  EXPECT_EQ("", warning({{{{1, 60'000, 60'100}}, {{2, 10'100, 10'200}}, {}}}));
  EXPECT_EQ(0U, warning({{{{1, 155'260'559, 155'260'560}}, {{2, 59'363'565, 59'363'566}}, {}}})
                    .find("1 bases"));
}

TEST(Pseudoautosomal_splits, OtherAssembliesAndCutChromosomes_tellNothing) {
  const Regions apart = {{{{1, 60'000, 155'260'560}}, {{2, 10'000, 59'363'566}}, {}}};
  EXPECT_EQ("", pseudoautosomal_warning("", hg19(), apart));
  EXPECT_EQ("", pseudoautosomal_warning("hg38", hg19(), apart)) << "other lengths";
  std::vector<Contig> cut = hg19();
  --cut[2].length_bp;
  EXPECT_EQ("", pseudoautosomal_warning("hg19", cut, apart));
}

}  // namespace
}  // namespace epi::data
