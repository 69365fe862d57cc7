// What single options of `prepare` do to the store, and what they refuse.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/digest.hpp"
#include "data/preflight.hpp"
#include "data/prepare.hpp"
#include "data/prepare_inputs.hpp"
#include "data/store.hpp"

namespace epi::data {
namespace {

TEST(Prepare_regions, WindowsLieInThemOnly_andContigsWithoutOneAreNotStored) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.valid = "";
  options.regions = folder.write("r.bed", "7\t300\t350\n7\t340\t400\n7\t900\t2000\nchrZ\t0\t9\n");
  options.flank_bp = 20;
  const PrepareReport report = prepare(options);
  const Store store = Store::open(options.out, true);
  const Manifest& manifest = store.manifest();
  // Contig 7 has 1033 bases, N up to 250.
  EXPECT_EQ((std::vector<Interval>{{0, 280, 420}, {0, 880, 1033}}), manifest.regions[0]);
  ASSERT_EQ(1U, manifest.contigs.size());
  EXPECT_TRUE(any_holds(report.warnings, "without a region are not stored: chr8"));
  EXPECT_TRUE(any_holds(report.warnings, "--regions: 1 of 4 regions"));
  // From the first bin with a region to the contig's end: 200..1033.
  EXPECT_EQ(200, manifest.shards.front().start_bp);
  EXPECT_EQ(1033, manifest.shards.back().start_bp + manifest.shards.back().length_bp);
}

TEST(Prepare_regions, HeldOutBasesOutsideOfThem_areInNoSplit) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.guard_bp = 10;
  options.valid = folder.write("v.bed", "7\t500\t700\n").string();
  options.regions = folder.write("r.bed", "7\t400\t600\nchr8\t0\t100\n");
  (void)prepare(options);
  const Manifest manifest = Store::open(options.out, true).manifest();
  EXPECT_EQ((std::vector<Interval>{{0, 400, 490}, {1, 0, 100}}), manifest.regions[0]);
  EXPECT_EQ((std::vector<Interval>{{0, 500, 600}}), manifest.regions[1]);
  options.out = folder.path() / "other";
  options.valid = folder.write("v.bed", "7\t700\t800\n").string();
  expect_input_error({"--valid", "--regions"}, [&] { (void)prepare(options); });
}

TEST(Prepare_regions, NoneOnTheGenome_isRefused) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.regions = folder.write("r.bed", "chr9\t0\t100\n");
  expect_input_error({"--regions", "chr9", "7, chr8"}, [&] { (void)prepare(options); });
  options.regions = folder.write("r.bed", "");
  expect_input_error({"r.bed", "no region"}, [&] { (void)prepare(options); });
  options.regions.reset();
  options.flank_bp = 5;
  expect_error(core::ErrorKind::usage, {"--flank"}, [&] { (void)prepare(options); });
}

TEST(Prepare_contigs, HeldOutOnesThatAreLeftOut_areTold) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.contigs = "7";
  options.valid = folder.write("v.bed", "7\t500\t700\nchr8\t0\t9\nchr8\t20\t29\n").string();
  const PrepareReport report = prepare(options);
  EXPECT_TRUE(any_holds(report.warnings, "--valid: 1 contigs are held out, but not in the store"));
  EXPECT_EQ((std::vector<Interval>{{0, 500, 700}}), Store::open(options.out).manifest().regions[1]);
  options.out = folder.path() / "regions";
  options.contigs = "";
  options.valid = "7";
  options.test = "chr8";
  options.regions = folder.write("r.bed", "7\t300\t350\n");
  expect_input_error({"--test", "--regions", "chr8; in the store are 7"},
                     [&] { (void)prepare(options); });
  options.test = "7,chr9";
  expect_input_error({"--test", "no contig 'chr9'", "7, chr8"}, [&] { (void)prepare(options); });
}

TEST(Prepare_state_map, States_becomeThoseOfTheMap) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.state_map = folder.write("map.tsv", "1\t2\tActive\n9\t2\tActive\n18\t-\n");
  (void)prepare(options);
  const Store store = Store::open(options.out, true);
  ASSERT_EQ(1U, store.manifest().states.size());
  EXPECT_EQ(2, store.manifest().states[0].number);
  EXPECT_EQ("Active", store.manifest().states[0].label);
  const core::SegmentView first = store.corpus().segments[0];  // 7:200-600
  EXPECT_EQ(1, first.states[0][0]);                            // 1_Tss
  EXPECT_EQ(0, first.states[0][1]);                            // 18_Quies
  options.out = folder.path() / "other";
  options.state_map = folder.write("map.tsv", "1\t2\tActive\n");
  expect_input_error({"map.tsv", "9", "18"}, [&] { (void)prepare(options); });
}

TEST(Prepare_state_map, AnotherMap_makesOtherShards) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
    killed.plan();
    killed.write_shards(0, 1);
  }
  options.state_map = folder.write("map.tsv", "1\t3\n9\t1\n18\t2\n");
  (void)prepare(options);
  EXPECT_EQ(3, Store::open(options.out, true).corpus().segments[0].states[0][0]);
}

TEST(Prepare_state_names, LabelsAndColours_areStored) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.state_names = folder.write(
      "names.tsv", "1\tTss\t255,0,0\n9\tEnh\t255,255,0\n18\tQuies\t#ffffff\n5\tTxWk\t0,100,0\n");
  (void)prepare(options);
  const Manifest manifest = Store::open(options.out, true).manifest();
  ASSERT_EQ(4U, manifest.states.size());
  EXPECT_EQ("255,255,255", manifest.states[3].colour);
  EXPECT_EQ("TxWk", manifest.states[1].label);
}

/// The first bin's code in cell type A, whose file writes labels without numbers.
std::uint8_t code_of_tss(const PrepareOptions& options) {
  (void)prepare(options);
  return Store::open(options.out, true).corpus().segments[0].states[0][0];
}

TEST(Prepare_state_names, LabelsAlone_getTheNumbersOfTheList) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write(
      "a.bed", "7\t200\t400\tTss\n7\t400\t600\tquies\n7\t800\t1033\tEnh\nchr8\t0\t600\tTss\n");
  expect_input_error({"a.bed:1", "'Tss'", "--state-names"}, [&] { (void)prepare(options); });
  options.state_names = folder.write("names.tsv", "1\tTss\n9\tEnh\n18\tQuies\n");
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
  }
  EXPECT_EQ(1, code_of_tss(options));
  // Another list gives other numbers: what the killed attempt has read does not count then.
  options.out = folder.path() / "other";
  (void)folder.write("b.bed", "7\t0\t800\tQuies\n");
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
    killed.plan();
    killed.write_shards(0, 1);
  }
  options.state_names = folder.write("other.tsv", "1\tEnh\n9\tTss\n18\tQuies\n");
  EXPECT_EQ(2, code_of_tss(options));
}

TEST(Prepare_cells, WithoutFiles_areMissingThroughoutAndKeepGroupAndWeight) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.sheet = folder.write("sheet.tsv",
                               "cell\tname\tpath\tgroup\tweight\nX\tno data\t\tBlood\t0.5\n"
                               "A\tcell a\ta.bed\tBrain\t\nY\t\t\t\t2\nB\tcell b\tb.bed\t\t\n");
  options.valid_cells = "Y";  // X and Y have the same states, which no test could be fooled by
  (void)prepare(options);
  const Store store = Store::open(options.out, true);
  const std::vector<Cell>& cells = store.manifest().cells;
  ASSERT_EQ(4U, cells.size());
  EXPECT_EQ("", cells[0].digest);
  EXPECT_EQ("Blood", cells[0].group);
  EXPECT_EQ(0.5, cells[0].weight);
  EXPECT_EQ("Brain", cells[1].group);
  EXPECT_EQ(1.0, cells[1].weight);
  for (const core::SegmentView& segment : store.corpus().segments) {
    for (std::int64_t bin = 0; bin < (segment.length_bp + 199) / 200; ++bin) {
      EXPECT_EQ(0, segment.states[0][bin]);
      EXPECT_EQ(0, segment.states[2][bin]);
    }
  }
  EXPECT_EQ(1, store.corpus().segments[0].states[1][0]);
}

TEST(Prepare_inputs, FilesBesidesSegmentations_areInTheManifest) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  options.blacklist = folder.write("black.bed", "7\t300\t310\n");
  options.sizes = folder.write("sizes.txt", "7\t1033\nchr8\t600\n");
  options.alias = folder.write("alias.tsv", "7\tchr7\n").string();
  options.valid = folder.write("valid.bed", "chr8\t0\t600\n").string();
  (void)prepare(options);
  std::vector<std::string> found;
  const Manifest manifest = Store::open(options.out, true).manifest();
  for (const StoreInput& input : manifest.inputs) {
    found.push_back(input.option);
    EXPECT_EQ(core::digest_of_file(input.path), input.digest) << input.option;
  }
  EXPECT_EQ((std::vector<std::string>{"--genome", "--genome", "--states", "--sizes", "--alias",
                                      "--blacklist", "--valid"}),
            found);
}

TEST(Prepare_bin, AnotherBinOfStateLines_readsTheFilesAgain) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  (void)folder.write("a.txt", "A\t7\nMaxState E\n1\n2\n2\n1\n2\n1\n");
  (void)folder.write("a8.txt", "A\tchr8\nMaxState E\n1\n2\n1\n");
  options.sheet = folder.write("sheet.tsv", "cell\tname\tpath\nA\tcell a\ta*.txt\n");
  {
    Preparation killed(options, core::Log());
    killed.read_inputs(0, 1);
  }
  options.states.line_bin_bp = 100;
  (void)prepare(options);
  EXPECT_EQ(100, Store::open(options.out, true).manifest().bin_bp);
}

TEST(Prepare_dry_run, GoodInputs_areToldWithSizesAndNothingIsWritten) {
  const InputFolder folder;
  PrepareOptions options = options_in(folder);
  const auto before = files_of(folder.path());
  const std::vector<std::string> lines = dry_run(options);
  EXPECT_TRUE(any_holds(lines, "2 genome files"));
  EXPECT_TRUE(any_holds(lines, "2 segmentation files"));
  EXPECT_TRUE(any_holds(lines, options.out.string()));
  EXPECT_EQ(before, files_of(folder.path()));
}

TEST(Prepare_dry_run, WhatCanBeKnown_isRefused) {
  const InputFolder folder;
  const PrepareOptions good = options_in(folder);
  PrepareOptions bad = good;
  bad.valid_cells = "Z";
  expect_input_error({"--valid-cells", "'Z'"}, [&] { (void)dry_run(bad); });
  bad = good;
  bad.genomes = {folder.path() / "a.bed"};
  expect_input_error({"--genome", "a.bed", "segmentation"}, [&] { (void)dry_run(bad); });
  bad = good;
  bad.alias = "hg17";
  expect_error(core::ErrorKind::config, {"hg17"}, [&] { (void)dry_run(bad); });
  bad = good;
  bad.genomes = {folder.path()};
  expect_input_error({"--genome", "folder"}, [&] { (void)dry_run(bad); });
  (void)folder.write("b.bed", "7\t0\t200\tE1\n7\t200\t100\tE2\n");
  expect_input_error({"b.bed:2:", "200", "100"}, [&] { (void)dry_run(good); });
  (void)folder.write("b.bed", ">chr1\nACGT\n");
  expect_input_error({"--states", "b.bed", "FASTA"}, [&] { (void)dry_run(good); });
}

TEST(Prepare_space, DiskThatCertainlyLacksIt_isRefusedWithNumbers) {
  const InputFolder folder;
  const PrepareOptions options = options_in(folder);
  Space space = space_for(options);
  EXPECT_GT(space.least_bytes, 0);
  EXPECT_LT(space.least_bytes, 2 * 1633);
  EXPECT_GT(space.free_bytes, 1 << 20);
  EXPECT_NO_THROW(check_space(options, space));
  // Stored, not deflated, gzip is as long as its text: no more than a base per byte is certain.
  PrepareOptions stored = options;
  stored.genomes = {folder.write("g.fa.gz", std::string("\x1f\x8b\x08\0", 4) + fasta_7())};
  EXPECT_LE(space_for(stored).least_bytes, kLength7);
  space = {7'000'000'000, 5'100'000'000};
  expect_error(core::ErrorKind::io, {"7.0 GB", "5.1 GB", folder.path().string()},
               [&] { check_space(options, space); });
  const Forecast sizes = forecast(options, read_sheet(options.sheet));
  EXPECT_NEAR(1633, static_cast<double>(sizes.bases), 40);
  EXPECT_EQ(200, sizes.bin_bp);
}

}  // namespace
}  // namespace epi::data
