#include "data/splits.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

std::vector<Contig> genome() {
  std::vector<Contig> contigs(2);
  contigs[0].name = "chr1";
  contigs[0].length_bp = 1000;
  contigs[1].name = "chr2";
  contigs[1].length_bp = 500;
  return contigs;
}

using Regions = std::vector<Interval>;

struct Request {
  std::vector<Contig> contigs = genome();
  SplitRequest request{contigs,         GenomeRanges(2), GenomeRanges(2),
                       GenomeRanges(2), GenomeRanges(2), 0};
};

TEST(Splits_contigs, HeldOutContigs_leaveTheRestToTrain) {
  Request r;
  r.request.valid[1] = {{0, 500}};
  r.request.guard_bp = 100;
  const auto regions = plan_splits(r.request);
  EXPECT_EQ((Regions{{0, 0, 1000}}), regions[0]);
  EXPECT_EQ((Regions{{1, 0, 500}}), regions[1]);
  EXPECT_TRUE(regions[2].empty());
}

TEST(Splits_regions, GuardGapsAndBlacklist_areTakenOut) {
  Request r;
  r.request.valid[0] = {{200, 300}};
  r.request.test[0] = {{350, 400}};
  r.request.gaps[0] = {{600, 700}};
  r.request.unwanted[0] = {{360, 370}, {0, 10}};
  r.request.unwanted[0] = normalized(r.request.unwanted[0]);
  r.request.guard_bp = 60;
  const auto regions = plan_splits(r.request);
  // Train: outside 140..360 and 290..460; valid: 200..300 less 290..460.
  EXPECT_EQ((Regions{{0, 10, 140}, {0, 460, 600}, {0, 700, 1000}, {1, 0, 500}}), regions[0]);
  EXPECT_EQ((Regions{{0, 200, 290}}), regions[1]);
  EXPECT_EQ((Regions{{0, 350, 360}, {0, 370, 400}}), regions[2]);
}

TEST(Splits_errors, SharedBases_areNamed) {
  Request r;
  r.request.valid[0] = {{200, 300}};
  r.request.test[0] = {{299, 400}};
  expect_input_error({"chr1:299-300"}, [&] { (void)plan_splits(r.request); });
}

TEST(Splits_errors, SplitThatVanishes_isNamed) {
  Request r;
  r.request.valid[0] = {{200, 300}};
  r.request.gaps[0] = {{150, 350}};
  expect_input_error({"--valid"}, [&] { (void)plan_splits(r.request); });
  r.request.gaps[0] = {};
  r.request.test[0] = {{310, 320}};
  r.request.guard_bp = 400;
  expect_input_error({"--valid", "guard"}, [&] { (void)plan_splits(r.request); });
}

TEST(Splits_check, SharedBaseOrNarrowGuard_isABrokenPromise) {
  const std::vector<Interval> none;
  const auto check = [&](const Regions& train, const Regions& valid, std::int64_t guard_bp) {
    const std::array<std::vector<Interval>, 3> all = {train, valid, none};
    check_splits(all, guard_bp);
  };
  EXPECT_NO_THROW(check({{0, 0, 100}, {1, 0, 9}}, {{0, 150, 200}}, 50));
  EXPECT_THROW(check({{0, 0, 100}}, {{0, 150, 200}}, 51), core::LogicError);
  EXPECT_THROW(check({{0, 0, 100}}, {{0, 99, 200}}, 0), core::LogicError);
  EXPECT_THROW(check({{0, 0, 300}}, {{0, 10, 20}}, 0), core::LogicError);
  EXPECT_THROW(check({{0, 50, 60}, {0, 0, 10}}, {}, 0), core::LogicError);
  EXPECT_THROW(check({{0, 5, 5}}, {}, 0), core::LogicError);
}

TEST(Splits_heldOut, ListsAndBedFiles_nameTheSameBases) {
  const auto contigs = genome();
  const ContigNames names(contigs, ChrPrefix::optional);
  EXPECT_EQ((GenomeRanges{{{0, 1000}}, {}}), read_held_out("1", "--valid", contigs, names));
  EXPECT_EQ((GenomeRanges{{}, {}}), read_held_out("", "--valid", contigs, names));
  const InputFolder folder;
  const auto bed = folder.write("v.bed", "chr1\t50\t60\n1\t0\t50\nchr2\t7\t500\n");
  EXPECT_EQ((GenomeRanges{{{0, 60}}, {{7, 500}}}),
            read_held_out(bed.string(), "--valid", contigs, names));
  EXPECT_TRUE(is_region_file("x.bed"));
  EXPECT_TRUE(is_region_file("./x"));
  EXPECT_FALSE(is_region_file("chr1,chr2"));
}

TEST(Splits_heldOut, UnknownContigOrFarEnd_isRefused) {
  const auto contigs = genome();
  const ContigNames names(contigs, ChrPrefix::matters);
  expect_input_error({"--test", "'chr9'", "chr1, chr2"},
                     [&] { (void)read_held_out("chr2,chr9", "--test", contigs, names); });
  const InputFolder folder;
  const auto far = folder.write("far.bed", "chr1\t0\t5\nchr1\t50\t1001\n");
  expect_input_error({far.string() + ":2:", "1001", "1000"},
                     [&] { (void)read_held_out(far.string(), "--test", contigs, names); });
  const auto other = folder.write("other.bed", "chr9\t0\t5\n");
  expect_input_error({other.string() + ":1:", "'chr9'"},
                     [&] { (void)read_held_out(other.string(), "--test", contigs, names); });
}

TEST(Splits_blacklist, OtherContigsAndFarEnds_areFine) {
  const auto contigs = genome();
  const ContigNames names(contigs, ChrPrefix::matters);
  const InputFolder folder;
  const auto bed = folder.write("b.bed", "chr9\t0\t5\nchr1\t900\t5000\nchr1\t3\t5\n");
  EXPECT_EQ((GenomeRanges{{{3, 5}, {900, 5000}}, {}}),
            read_region_list("--blacklist", bed, contigs, names).ranges);
  EXPECT_EQ("--blacklist: 1 of 3 regions lie on contigs that are not in the store (chr9)",
            read_region_list("--blacklist", bed, contigs, names).warning);
}

TEST(Splits_blacklist, NoKnownContig_isRefusedWithBothListsAndTheAlias) {
  const auto contigs = genome();
  const InputFolder folder;
  const auto bed = folder.write("b.bed", "1\t0\t5\n9\t900\t5000\n");
  const ContigNames exact(contigs, ChrPrefix::matters);
  expect_input_error({bed.string(), "store: chr1, chr2", "file: 1, 9", "--alias-chr"},
                     [&] { (void)read_region_list("--blacklist", bed, contigs, exact); });
  expect_input_error({bed.string() + ":1:", "'1'", "chr1, chr2", "--alias-chr"},
                     [&] { (void)read_held_out(bed.string(), "--test", contigs, exact); });
  const RegionList aliased =
      read_region_list("--blacklist", bed, contigs, {contigs, ChrPrefix::optional});
  EXPECT_EQ((GenomeRanges{{{0, 5}}, {}}), aliased.ranges);
  EXPECT_TRUE(read_region_list("--blacklist", folder.write("none.bed", ""), contigs, exact)
                  .warning.empty());
}

}  // namespace
}  // namespace epi::data
