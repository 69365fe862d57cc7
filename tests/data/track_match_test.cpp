// Lengths in these tests are those of hg19 (chr20 63,025,520, chr22 51,304,566) and hg38 (chr20
// 64,444,167, chr22 50,818,468).
#include "data/track_match.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

struct Reach {
  std::string contig;
  std::int64_t end_bp;
};

/// A cell's files, each with states up to the given ends, as prepare sees them.
class Cells {
 public:
  void add(const std::vector<std::vector<Reach>>& files) {
    SheetRow row;
    row.cell = fmt::format("c{}", sheet_.size());
    for (const auto& reaches : files) {
      std::string text;
      for (const Reach& reach : reaches) {
        text += fmt::format("{0}\t0\t400\tE1\n{0}\t400\t{1}\tE2\n", reach.contig, reach.end_bp);
      }
      row.paths.push_back(
          folder_.write(fmt::format("{}_{}.bed", row.cell, row.paths.size()), text));
    }
    const auto work = folder_.path() / (row.cell + ".bin");
    write_track_work(work, row.paths, {});
    tracks_.emplace_back(work);
    sheet_.push_back(std::move(row));
  }

  [[nodiscard]] MatchedTracks match(const std::vector<Contig>& contigs, const std::string& assembly,
                                    const std::string& aliases = {}) const {
    const ContigNames names(contigs, ChrPrefix::matters, alias_table_of(aliases));
    return match_tracks({contigs, names, 200, sheet_, tracks_, assembly});
  }

 private:
  InputFolder folder_;
  std::vector<SheetRow> sheet_;
  std::vector<TrackWork> tracks_;
};

Contig contig(const std::string& name, std::int64_t length_bp) {
  Contig made;
  made.name = name;
  made.length_bp = length_bp;
  return made;
}

const std::vector<Contig> kGenome = {contig("chr20", 63'025'520), contig("chr22", 51'304'566)};

TEST(TrackMatch_assembly, SameAssembly_matchesWithoutAWarning) {
  Cells cells;
  cells.add({{{"chr22", 51'304'566}, {"chr20", 63'025'400}}});
  const auto matched = cells.match(kGenome, "hg19");
  EXPECT_EQ(1U, matched.tracks[0][0]);
  EXPECT_EQ(0U, matched.tracks[0][1]);
  EXPECT_EQ("", matched.warning);
}

TEST(TrackMatch_assembly, EndsOfAnother_nameFileContigAndBothLengths) {
  Cells cells;
  cells.add({{{"chr20", 63'025'520}, {"chr22", 51'304'400}}});
  cells.add({{{"chr20", 400'000}}, {{"chr22", 50'818'468}}});
  expect_input_error({"c1_1.bed", "hg38", "hg19", "'chr22'", "50818468", "51304566"},
                     [&] { (void)cells.match(kGenome, "hg19"); });
}

TEST(TrackMatch_assembly, OtherNaming_isTheSameMistake) {
  Cells cells;
  cells.add({{{"NC_000022.11", 50'818'400}, {"20", 1'000'000}}});
  expect_input_error({"hg38", "hg19", "'NC_000022.11'", "51304566"},
                     [&] { (void)cells.match(kGenome, "hg19", "hg19"); });
}

TEST(TrackMatch_assembly, StatesBehindAWholeContig_areRefused) {
  Cells cells;
  cells.add({{{"chr22", 51'304'400}, {"chr20", 63'800'000}}});
  expect_input_error({"c0_0.bed:4:", "'chr20'", "63800000", "63025520", "hg19"},
                     [&] { (void)cells.match(kGenome, "hg19"); });
}

TEST(TrackMatch_assembly, CutContig_staysAWarning) {
  Cells cells;
  cells.add({{{"chr22", 51'304'400}}});
  // Alone it is no known assembly; beside chr20 the genome is hg19, and still only cut.
  const auto alone = cells.match({contig("chr22", 22'000'000)}, "");
  EXPECT_NE(std::string::npos, alone.warning.find("end as hg19 does"));
  EXPECT_NE(std::string::npos, alone.warning.find("22000000"));
  cells.add({{{"chr20", 63'025'400}}});
  const auto beside = cells.match({kGenome[0], contig("chr22", 22'000'000)}, "hg19");
  EXPECT_NE(std::string::npos, beside.warning.find("lengths differ"));
}

TEST(TrackMatch_assembly, UnknownGenome_isOnlyWarnedAbout) {
  Cells cells;
  cells.add({{{"chr22", 50'818'400}, {"chr20", 64'444'000}}});
  EXPECT_NE(std::string::npos, cells.match(kGenome, "").warning.find("end as hg38 does"));
}

TEST(TrackMatch_names, AliasTable_matches_andItsAbsenceIsAdvised) {
  Cells cells;
  cells.add({{{"22", 51'304'400}}, {{"NC_000020.10", 63'025'400}}});
  const auto matched = cells.match(kGenome, "hg19", "hg19");
  EXPECT_EQ(1U, matched.tracks[0][0]);
  EXPECT_EQ(0U, matched.tracks[0][1]);
  expect_input_error({"chr20, chr22", "--alias-chr"}, [&] { (void)cells.match(kGenome, "hg19"); });
  expect_input_error({"chr20", "--alias hg19"}, [&] {
    (void)cells.match({contig("chr20", 63'025'520), contig("22", 51'304'566)}, "hg19");
  });
}

TEST(TrackMatch_names, OneContigInTwoFiles_namesBoth) {
  Cells cells;
  cells.add({{{"chr22", 51'304'400}, {"chr20", 63'025'400}}, {{"22", 51'304'400}}});
  expect_input_error({"c0_1.bed", "'22'", "'chr22'", "c0_0.bed", "--alias"},
                     [&] { (void)cells.match(kGenome, "hg19", "hg19"); });
}

TEST(TrackMatch_cells, CellWithoutFiles_hasNoTracks) {
  Cells cells;
  cells.add({{{"chr22", 51'304'400}, {"chr20", 63'025'400}}});
  cells.add({});
  const auto matched = cells.match(kGenome, "hg19");
  EXPECT_FALSE(matched.tracks[1][0].has_value());
  EXPECT_FALSE(matched.tracks[1][1].has_value());
}

TEST(TrackMatch_grid, OddEndBeforeTheContigs_namesTheCellsFile) {
  Cells cells;
  cells.add({{{"chr22", 51'304'400}}, {{"chr20", 63'000'033}}});
  expect_input_error({"c0_1.bed:2:", "63000033", "multiple of 200"},
                     [&] { (void)cells.match(kGenome, "hg19"); });
}

}  // namespace
}  // namespace epi::data
