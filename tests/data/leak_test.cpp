// Leaks: small cases counted by hand, and random ones against a count base by base.
#include "data/leak.hpp"

#include <gtest/gtest.h>

#include <rapidcheck/gtest.h>
#include <nlohmann/json.hpp>

#include "core/files.hpp"
#include "data/shard.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

const std::vector<Split> kAll{Split::train, Split::valid, Split::test};

/// Contigs chr1 (1,000 bp) and chr2 (500 bp); chr1: train 0..300 and 400..600, valid 700..800;
/// chr2: test 0..500; guard 100. E1 and E2 train, E3 tests.
Manifest small_set() {
  Manifest manifest;
  manifest.version = 2;
  manifest.program = "test";
  manifest.bin_bp = 200;
  manifest.guard_bp = 100;
  manifest.contigs = {{"chr1", 1000, 1000, 0, 0, "d1", "m1"}, {"chr2", 500, 500, 0, 0, "d2", "m2"}};
  manifest.cells = {{"E1", "one", Split::train, "1.bed", "s1", "", 1.0},
                    {"E2", "two", Split::train, "2.bed", "s2", "", 1.0},
                    {"E3", "three", Split::test, "3.bed", "s3", "", 1.0}};
  manifest.regions[0] = {{0, 0, 300}, {0, 400, 600}};
  manifest.regions[1] = {{0, 700, 800}};
  manifest.regions[2] = {{1, 0, 500}};
  manifest.digest = "digest";
  return manifest;
}

/// The same written as a folder.
std::filesystem::path write_set(const InputFolder& folder, const Manifest& manifest) {
  return folder.write("store/manifest.json", to_json(manifest)).parent_path();
}

TEST(Leak, BedFile_countsAreAsByHand) {
  const InputFolder folder;
  // 250..450 of chr1, as two that overlap: 50 + 50 in train, 100 between them and near.
  // 590..720: 10 in train, 90 near, 10 in nothing (at 690..700), 20 in valid.
  // 950..1100: 100 past the end. chr2 0..7 in test. chr9 nowhere.
  const auto bed = folder.write("a.bed",
                                "chr1\t300\t450\nchr9\t0\t5\nchr1\t250\t350\nchr2\t0\t7\n"
                                "chr1\t590\t720\nchr1\t950\t1100\n");
  const LeakReport report = find_leaks(small_set(), read_against(bed, kAll), {});
  ASSERT_EQ(report.contigs.size(), 3U);
  const LeakContig& chr1 = report.contigs[0];
  EXPECT_EQ(chr1.bases, 200 + 130 + 150);
  EXPECT_EQ(chr1.shared_bp[0], 100 + 10);
  EXPECT_EQ(chr1.shared_bp[1], 20);
  EXPECT_EQ(chr1.shared_bp[2], 0);
  EXPECT_EQ(chr1.near_bp, 100 + 100);  // 600..700 is within 100 of 600
  EXPECT_EQ(chr1.past_end_bp, 100);
  EXPECT_EQ(report.contigs[1].note, "not in the training set");
  EXPECT_EQ(report.contigs[2].shared_bp[2], 7);
  EXPECT_EQ(report.total.bases, 480 + 5 + 7);
  EXPECT_TRUE(report.shares_bases());
  EXPECT_FALSE(report.undecided());
  EXPECT_TRUE(report.cells.empty());
}

TEST(Leak, BedFile_besideTraining_sharesNothing) {
  const InputFolder folder;
  const auto bed = folder.write("a.bed", "chr1\t300\t400\nchr1\t600\t1000\nchr2\t0\t500\n");
  const LeakReport report = find_leaks(small_set(), read_against(bed, kAll), {});
  EXPECT_FALSE(report.shares_bases());
  EXPECT_EQ(report.total.near_bp, 200);
  EXPECT_EQ(describe(report).back(), "200 bases lie closer than 100 bp to training regions");
}

TEST(Leak, Labels_cells_areFoundByNameOrAsGiven) {
  const InputFolder folder;
  const auto path = folder.write("labels.tsv",
                                 "chr\tstart\tstop\tE3\tH1-hESC\tK562\n"
                                 "chr2\t0\t200\tU\tU\tB\nchr2\t50\t250\tU\tU\tA\n");
  LeakOptions options;
  options.cells = {{"H1-hESC", "E2"}};
  const LeakReport report = find_leaks(small_set(), read_against(path, kAll), options);
  EXPECT_EQ(report.total.bases, 250);
  EXPECT_EQ(report.total.shared_bp[2], 250);
  ASSERT_EQ(report.cells.size(), 3U);
  EXPECT_EQ(report.cells[0].trained_id, "E3");
  EXPECT_EQ(report.cells[0].split, Split::test);
  EXPECT_EQ(report.cells[1].trained_id, "E2");
  EXPECT_EQ(report.cells[1].match, LeakMatch::given);
  EXPECT_EQ(report.cells[2].match, LeakMatch::none);
  EXPECT_EQ(describe(report).back(), "1 of 3 cell types were trained on");
  options.cells = {{"HepG2", "E2"}};
  expect_error(core::ErrorKind::config, {"'HepG2'", "H1-hESC"},
               [&] { (void)find_leaks(small_set(), read_against(path, kAll), options); });
  options.cells = {{"K562", "E123"}};
  expect_error(core::ErrorKind::config, {"'E123'"},
               [&] { (void)find_leaks(small_set(), read_against(path, kAll), options); });
}

TEST(Leak, Store_splitsThatCount_areThoseAskedFor) {
  const InputFolder folder;
  const auto path = write_set(folder, small_set());
  const auto shared = [&](const std::vector<Split>& splits) {
    return find_leaks(small_set(), read_against(path, splits), {}).total.shared_bp[0];
  };
  EXPECT_EQ(shared(kAll), 500);
  EXPECT_EQ(shared({Split::valid, Split::test}), 0);
}

TEST(Leak, Store_sameSequenceUnderAnotherName_isCompared) {
  const InputFolder folder;
  Manifest other = small_set();
  other.contigs = {{"scaffold_7", 1000, 1000, 0, 0, "x", "m1"},
                   {"chr1", 500, 500, 0, 0, "y", "m2"}};
  other.cells = {{"A", "", Split::test, "1.bed", "s2", "", 1.0},
                 {"B", "", Split::test, "", "", "", 1.0}};
  other.regions[0] = {{0, 100, 200}};
  other.regions[1] = {};
  other.regions[2] = {{1, 0, 500}};
  const auto path = write_set(folder, other);
  const LeakReport report = find_leaks(small_set(), read_against(path, kAll), {});
  ASSERT_EQ(report.contigs.size(), 2U);
  EXPECT_EQ(report.contigs[0].trained_name, "chr1");
  EXPECT_EQ(report.contigs[0].shared_bp[0], 100);
  EXPECT_NE(report.contigs[0].note.find("another name"), std::string::npos);
  EXPECT_EQ(report.contigs[1].trained_name, "chr2");  // though chr1 is a name there, too
  EXPECT_EQ(report.contigs[1].shared_bp[2], 500);
  ASSERT_EQ(report.cells.size(), 2U);
  EXPECT_EQ(report.cells[0].trained_id, "E2");
  EXPECT_EQ(report.cells[0].match, LeakMatch::segmentation);
  EXPECT_EQ(report.cells[1].match, LeakMatch::none);
}

TEST(Leak, Store_ofOtherLengths_isUndecidedUnlessTheAssemblyIsKnown) {
  const InputFolder folder;
  Manifest other = small_set();
  other.contigs = {{"chr1", 900, 900, 0, 0, "x", "y"}};
  other.regions[0] = {{0, 0, 900}};
  other.regions[1] = other.regions[2] = {};
  Manifest trained = small_set();
  const auto report = [&] {
    return find_leaks(trained, read_against(write_set(folder, other), kAll), {});
  };
  EXPECT_TRUE(report().undecided());
  EXPECT_FALSE(report().shares_bases());
  trained.assembly = other.assembly = "hg19";
  EXPECT_FALSE(report().undecided());
  EXPECT_EQ(report().total.shared_bp[0], 500);
  other.assembly = "hg38";
  expect_input_error({"is hg38", "hg19"}, [&] { (void)report(); });
}

TEST(Leak, Store_mitochondrionOfAnotherLength_isNotComparedWithinOneAssembly) {
  const InputFolder folder;
  Manifest trained = small_set(), other = small_set();
  trained.contigs[0] = {"chrM", 16569, 16569, 0, 0, "d1", "m1"};
  other.contigs[0] = {"chrM", 16571, 16571, 0, 0, "x", "y"};
  trained.assembly = other.assembly = "hg19";
  const auto report = find_leaks(trained, read_against(write_set(folder, other), kAll), {});
  EXPECT_FALSE(report.contigs[0].compared);
  EXPECT_NE(report.contigs[0].note.find("NOT COMPARED"), std::string::npos);
  EXPECT_TRUE(report.undecided());
}

TEST(Leak, TwoNamesOfOneContig_countOnce) {
  const InputFolder folder;
  const auto bed = folder.write("a.bed", "chr1\t0\t100\n2\t0\t7\n1\t50\t150\n");
  LeakOptions options;
  options.prefix = ChrPrefix::optional;
  const LeakReport report = find_leaks(small_set(), read_against(bed, kAll), options);
  ASSERT_EQ(report.contigs.size(), 2U);
  EXPECT_EQ(report.contigs[0].bases, 150);
  EXPECT_EQ(report.contigs[0].shared_bp[0], 150);
  EXPECT_EQ(report.contigs[0].note, "counted together with 1");
  EXPECT_EQ(report.total.shared_bp[0], 150);
  EXPECT_EQ(report.total.bases, 157);
}

// Trained: E1 (s1) and E2 (s2); tested: E3 (s3).
TEST(Leak, Store_segmentations_areComparedWhateverTheIdIs) {
  const InputFolder folder;
  Manifest trained = small_set(), other = small_set();
  trained.cells.push_back({"E4", "four", Split::train, "4.bed", "s1", "", 1.0});
  trained.cells.push_back({"E5", "five", Split::test, "5.bed", "s1", "", 1.0});
  const auto cell = [&](const char* id, const char* digest) {
    other.cells = {{id, "", Split::test, "x.bed", digest, "", 1.0}};
    return find_leaks(trained, read_against(write_set(folder, other), kAll), {}).cells.at(0);
  };
  const LeakCell moved = cell("E3", "s2");  // a tested id, with what was trained on as E2
  EXPECT_EQ(moved.trained_id, "E2");
  EXPECT_EQ(moved.split, Split::train);
  EXPECT_EQ(moved.match, LeakMatch::segmentation);
  EXPECT_EQ(moved.note, "E3 (test) has another segmentation");
  const LeakCell other_data = cell("E1", "new");
  EXPECT_EQ(other_data.trained_id, "E1");
  EXPECT_EQ(other_data.note, "E1 (train) has another segmentation");
  const LeakCell twins = cell("A", "s1");
  EXPECT_EQ(twins.trained_id, "E1");
  EXPECT_EQ(twins.note, "the same segmentation as E4 (train), E5 (test)");
  const LeakCell tested = cell("E5", "s1");
  EXPECT_EQ(tested.trained_id, "E1");
  EXPECT_EQ(tested.split, Split::train);
  EXPECT_EQ(cell("E3", "s3").match, LeakMatch::id);
  EXPECT_EQ(cell("E3", "s3").note, "");
}

TEST(Leak, Names_thatNeedAnOption_areAnErrorUntilItIsGiven) {
  const InputFolder folder;
  const auto bed = folder.write("a.bed", "chr1\t0\t10\n2\t0\t10\n");
  expect_input_error({"a.bed", "--alias-chr"},
                     [&] { (void)find_leaks(small_set(), read_against(bed, kAll), {}); });
  LeakOptions options;
  options.prefix = ChrPrefix::optional;
  EXPECT_EQ(find_leaks(small_set(), read_against(bed, kAll), options).total.shared_bp[2], 10);
  const auto none = folder.write("none.bed", "scaffold\t0\t10\n");
  expect_input_error({"none.bed", "scaffold", "chr1, chr2"},
                     [&] { (void)find_leaks(small_set(), read_against(none, kAll), options); });
  const auto empty = folder.write("empty.bed", "# nothing\n");
  expect_input_error({"empty.bed", "no region"}, [&] { (void)read_against(empty, kAll); });
}

TEST(Leak, Json_holdsTheCounts) {
  const InputFolder folder;
  const auto bed = folder.write("a.bed", "chr1\t0\t310\n");
  const auto json =
      nlohmann::json::parse(to_json(find_leaks(small_set(), read_against(bed, kAll), {})));
  EXPECT_EQ(json.at("shares_bases"), true);
  EXPECT_EQ(json.at("total").at("train_bp"), 300);
  EXPECT_EQ(json.at("contigs").at(0).at("near_bp"), 10);
}

/// Disjoint regions of three splits on one contig of `length` bases, one letter per base: 'T', 'V',
/// 'E' or '.'.
Manifest set_of(const std::string& letters, std::int64_t guard_bp) {
  Manifest manifest = small_set();
  manifest.guard_bp = guard_bp;
  manifest.contigs = {{"c", static_cast<std::int64_t>(letters.size()), 1, 0, 0, "d", "m"}};
  for (int split = 0; split < 3; ++split) {
    manifest.regions[split].clear();
    const char letter = "TVE"[split];
    for (std::size_t at = letters.find(letter); at != std::string::npos;
         at = letters.find(letter, at)) {
      const std::size_t end = std::min(letters.find_first_not_of(letter, at), letters.size());
      manifest.regions[split].push_back(
          {0, static_cast<std::int64_t>(at), static_cast<std::int64_t>(end)});
      at = end;
    }
  }
  return manifest;
}

RC_GTEST_PROP(LeakProperty, RandomRegions_countsAreThoseOfABitmap, ()) {
  std::string letters;
  const auto runs = *rc::gen::container<std::vector<std::pair<int, int>>>(
      rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange(1, 12)));
  for (const auto& [kind, length] : runs) {
    letters.append(static_cast<std::size_t>(length), "TVE."[kind]);
  }
  letters += '.';
  const std::int64_t guard_bp = *rc::gen::inRange(0, 15);
  const auto length = static_cast<int>(letters.size());
  LeakAgainst against;
  against.path = "random";
  std::vector<bool> there(letters.size() + 30);
  Ranges ranges;
  for (const auto& [start, size] : *rc::gen::container<std::vector<std::pair<int, int>>>(
           rc::gen::pair(rc::gen::inRange(0, length + 10), rc::gen::inRange(1, 20)))) {
    ranges.push_back({start, start + size});
    for (int i = start; i < start + size; ++i) there[static_cast<std::size_t>(i)] = true;
  }
  against.places = {{"c", normalized(ranges)}};
  const LeakReport report = find_leaks(set_of(letters, guard_bp), against, {});
  std::int64_t shared[3] = {}, near = 0, past = 0, all = 0;
  for (int i = 0; i < static_cast<int>(there.size()); ++i) {
    if (!there[static_cast<std::size_t>(i)]) continue;
    ++all;
    if (i >= length) ++past;
    if (i >= length) continue;
    const std::size_t split = std::string("TVE").find(letters[static_cast<std::size_t>(i)]);
    if (split != std::string::npos) ++shared[split];
    bool close = false;
    for (int j = 0; j < length; ++j) {
      close = close || (letters[static_cast<std::size_t>(j)] == 'T' && std::abs(i - j) <= guard_bp);
    }
    if (close && split != 0) ++near;
  }
  RC_ASSERT(report.total.bases == all);
  for (int split = 0; split < 3; ++split) RC_ASSERT(report.total.shared_bp[split] == shared[split]);
  RC_ASSERT(report.total.near_bp == near);
  RC_ASSERT(report.total.past_end_bp == past);
}

}  // namespace
}  // namespace epi::data
