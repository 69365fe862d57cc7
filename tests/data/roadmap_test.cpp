// Roadmap's names, as the portal has them, and the sheets made of folders of such files. The table
// is compared with facts published elsewhere: numbers of epigenomes, EIDs of the ENCODE-DREAM cell
// types and the numbers of their IDEAS files.
#include "data/roadmap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "data/formats/sheet.hpp"
#include "data/roadmap_folder.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

const Epigenome& epigenome(const std::string& eid) {
  const auto& all = roadmap_epigenomes();
  const auto found = std::ranges::find(all, eid, &Epigenome::eid);
  if (found == all.end()) throw std::runtime_error(eid);
  return *found;
}

std::size_t lines_in(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool holds(const std::vector<std::string>& lines, const std::string& part) {
  return std::ranges::any_of(lines, [&](const std::string& line) { return has(line, part); });
}

TEST(Roadmap, epigenomes_areThe127OfTheProject) {
  const auto& all = roadmap_epigenomes();
  ASSERT_EQ(all.size(), 127U);
  std::int64_t ordinal = 0;
  std::int64_t number = 0;
  for (const Epigenome& e : all) {
    ++ordinal;
    do {
      ++number;
    } while (number == 60 || number == 64);
    EXPECT_EQ(e.ordinal, ordinal);
    EXPECT_EQ(std::stoi(e.eid.substr(1)), number) << e.eid;
    EXPECT_TRUE(std::ranges::all_of(e.eid + e.group + e.mnemonic + e.name + e.anatomy + e.type,
                                    [](char c) { return c >= ' ' && c <= '~'; }))
        << e.eid;
  }
  EXPECT_EQ(all.back().eid, "E129");
  EXPECT_EQ(std::ranges::count_if(all, &Epigenome::has_h3k27ac), 98);
  EXPECT_EQ(std::ranges::count(all, "ENCODE2012", &Epigenome::group), 16);
}

TEST(Roadmap, epigenomes_ofKnownCellTypes_haveTheirNames) {
  EXPECT_EQ(epigenome("E003").name, "H1 Cells");
  EXPECT_EQ(epigenome("E017").group, "IMR90");
  EXPECT_EQ(epigenome("E066").name, "Liver");
  EXPECT_EQ(epigenome("E116").name, "GM12878 Lymphoblastoid Cells");
  EXPECT_EQ(epigenome("E118").mnemonic, "LIV.HEPG2.CNCR");
  EXPECT_EQ(epigenome("E123").name, "K562 Leukemia Cells");
  EXPECT_FALSE(epigenome("E001").has_h3k27ac);
  // IDEAS counts epigenomes, without E060 and E064.
  EXPECT_EQ(epigenome("E116").ordinal, 114);
  EXPECT_EQ(epigenome("E123").ordinal, 121);
}

struct Expected {
  const char* name;
  const char* eid;
  const char* set;
  const char* form;
  const char* pattern;
};

TEST(Roadmap, names_ofThePortal_areRead) {
  const std::vector<Expected> cases = {
      {"E003_15_coreMarks_mnemonics.bed.gz", "E003", "15", "mnemonics", ""},
      {"E003_15_coreMarks_segments.bed", "E003", "15", "segments", ""},
      {"E003_15_coreMarks_stateno.bed.gz", "E003", "15", "stateno", ""},
      {"E129_15_coreMarks_dense.bed.gz", "E129", "15", "dense", ""},
      {"E129_15_coreMarks_dense.bb", "E129", "15", "dense", ""},
      {"E003_15_coreMarks_hg38lift_mnemonics.bed.gz", "E003", "15-hg38lift", "mnemonics", ""},
      {"E066_18_core_K27ac_mnemonics.bed.gz", "E066", "18", "mnemonics", ""},
      {"E066_18_core_K27ac_hg38lift_dense.bed.gz", "E066", "18-hg38lift", "dense", ""},
      {"E003_25_imputed12marks_mnemonics.bed.gz", "E003", "25", "mnemonics", ""},
      {"E003_chr22_core_K27ac_segments.bed.gz", "E003", "18", "segments",
       "E003_*_core_K27ac_segments.bed.gz"},
      {"E003_15_coreMarks_chr1_statebyline.txt.gz", "E003", "15", "statebyline",
       "E003_15_coreMarks_*_statebyline.txt.gz"},
      {"E021_25_imputed12marks_mnemonics.chr20_chr22.bed.gz", "E021", "25", "mnemonics",
       "E021_25_imputed12marks_mnemonics.*.bed.gz"},
      {"test1.114.bb", "E116", "ideas", "bigBed", ""},
  };
  for (const Expected& expected : cases) {
    const auto read = read_segmentation_name(expected.name);
    ASSERT_TRUE(read) << expected.name;
    EXPECT_EQ(roadmap_epigenomes()[read->epigenome].eid, expected.eid) << expected.name;
    EXPECT_EQ(text_of(read->set), expected.set) << expected.name;
    EXPECT_EQ(text_of(read->form), expected.form) << expected.name;
    EXPECT_EQ(read->is_piece(), *expected.pattern != '\0') << expected.name;
    if (read->is_piece()) {
      EXPECT_EQ(read->pattern, expected.pattern);
    }
  }
}

TEST(Roadmap, names_ofNoPattern_areNotGuessed) {
  for (const char* name :
       {"", "E003", "E060_15_coreMarks_mnemonics.bed.gz", "E130_15_coreMarks_mnemonics.bed.gz",
        "E003_18_coreMarks_mnemonics.bed.gz", "E003_15_coreMarks_mnemonics.bed.gz.part",
        "E003_15_coreMarks_mnemonics.txt", "E003_15_coreMarks_emissions.bed.gz",
        "E003_coreMarks_mnemonics.bed.gz", "E003-H3K4me1.narrowPeak.gz", "test1.0.bb",
        "test1.128.bb", "test1.12.bw", "test2.12.bb", "test1.x.bb", "E003_chr22_",
        "E003_15_coreMarks_chr1.bed.gz", "E003_15_coreMarks_unnamed.bed.gz"}) {
    EXPECT_FALSE(read_segmentation_name(name)) << name;
  }
}

TEST(Roadmap, set_fromText_isTheSetOfThatText) {
  for (const SegmentationSet set : segmentation_sets()) {
    EXPECT_EQ(segmentation_set(text_of(set)), set);
  }
  EXPECT_EQ(segmentation_sets().size(), 7U);
  EXPECT_FALSE(segmentation_set("16"));
  EXPECT_FALSE(segmentation_set(""));
}

TEST(RoadmapFolder, all127MnemonicsFiles_giveASheetOfAllThatReads) {
  const InputFolder folder;
  for (const Epigenome& e : roadmap_epigenomes()) {
    static_cast<void>(folder.write("states/" + e.eid + "_15_coreMarks_mnemonics.bed.gz", ""));
  }
  const auto found = find_segmentations(folder.path() / "states");
  EXPECT_EQ(text_of(found.set), "15");
  EXPECT_EQ(found.found.size(), 127U);
  EXPECT_TRUE(found.missing.empty());
  EXPECT_TRUE(found.notes.empty());
  EXPECT_TRUE(holds(summary_of(found), "127 of 127"));
  const std::string text =
      sheet_of(found, folder.path() / "states", folder.path(), MissingCells::error);
  const auto rows = read_sheet(folder.write("sheet.tsv", text));
  ASSERT_EQ(rows.size(), 127U);
  EXPECT_EQ(rows[2].cell, "E003");
  EXPECT_EQ(rows[2].name, "H1 Cells");
  EXPECT_EQ(rows[2].group, "ESC");
  EXPECT_EQ(rows[2].source, "states/E003_15_coreMarks_mnemonics.bed.gz");
  EXPECT_EQ(rows[126].cell, "E129");
}

TEST(RoadmapFolder, ideasFiles_areNumberedByOrdinal) {
  const InputFolder folder;
  for (const char* number : {"114", "121", "3"}) {
    static_cast<void>(folder.write(std::string("test1.") + number + ".bb", ""));
  }
  const auto found = find_segmentations(folder.path());
  const std::string text = sheet_of(found, folder.path(), folder.path(), MissingCells::skip);
  EXPECT_EQ(text,
            "cell\tname\tgroup\tpath\n"
            "E003\tH1 Cells\tESC\ttest1.3.bb\n"
            "E116\tGM12878 Lymphoblastoid Cells\tENCODE2012\ttest1.114.bb\n"
            "E123\tK562 Leukemia Cells\tENCODE2012\ttest1.121.bb\n");
  EXPECT_EQ(found.missing.size(), 124U);
}

TEST(RoadmapFolder, missingEpigenomes_areSkippedListedOrAnError) {
  const InputFolder folder;
  static_cast<void>(folder.write("E003_18_core_K27ac_mnemonics.bed.gz", ""));
  static_cast<void>(folder.write("README", ""));
  const auto found = find_segmentations(folder.path());
  EXPECT_EQ(found.missing.size(), 97U);
  EXPECT_EQ(found.num_unknown, 1);
  EXPECT_TRUE(holds(summary_of(found), "1 of 98"));
  EXPECT_TRUE(holds(summary_of(found), "E004, E005"));
  const auto sheet = [&](MissingCells missing) {
    return sheet_of(found, folder.path(), folder.path(), missing);
  };
  EXPECT_EQ(lines_in(sheet(MissingCells::skip)), 2U);
  const std::string listed = sheet(MissingCells::list);
  EXPECT_EQ(lines_in(listed), 99U);
  EXPECT_TRUE(has(listed, "\nE066\tLiver\tOther\t\n")) << listed;
  const auto rows = read_sheet(folder.write("sheet.tsv", listed));
  ASSERT_EQ(rows.size(), 98U);
  EXPECT_EQ(rows[0].paths.size(), 1U);
  EXPECT_TRUE(rows[1].paths.empty());
  expect_error(core::ErrorKind::missing, {"97 epigenomes of the set 18", "E066"},
               [&] { static_cast<void>(sheet(MissingCells::error)); });
}

TEST(RoadmapFolder, severalSets_mustBeChosenFrom) {
  const InputFolder folder;
  for (const char* name :
       {"E003_15_coreMarks_mnemonics.bed.gz", "E004_15_coreMarks_mnemonics.bed.gz",
        "E003_15_coreMarks_hg38lift_mnemonics.bed.gz", "E003_18_core_K27ac_mnemonics.bed.gz"}) {
    static_cast<void>(folder.write(name, ""));
  }
  expect_error(core::ErrorKind::usage, {"15 (2 epigenomes)", "15-hg38lift (1", "18 (1", "--model"},
               [&] { static_cast<void>(find_segmentations(folder.path())); });
  EXPECT_EQ(find_segmentations(folder.path(), segmentation_set("15")).found.size(), 2U);
  expect_error(core::ErrorKind::missing, {"set ideas", "15 (2 epigenomes)"}, [&] {
    static_cast<void>(find_segmentations(folder.path(), segmentation_set("ideas")));
  });
}

TEST(RoadmapFolder, severalForms_theMostTellingIsTakenAndSaid) {
  const InputFolder folder;
  for (const char* name : {"E003_15_coreMarks_segments.bed", "E003_15_coreMarks_mnemonics.bed.gz",
                           "E003_15_coreMarks_dense.bed.gz", "E004_15_coreMarks_segments.bed",
                           "E004_15_coreMarks_segments.bed.gz"}) {
    static_cast<void>(folder.write(name, ""));
  }
  const auto found = find_segmentations(folder.path());
  ASSERT_EQ(found.found.size(), 2U);
  EXPECT_EQ(found.found[0].file, "E003_15_coreMarks_mnemonics.bed.gz");
  EXPECT_EQ(found.found[1].file, "E004_15_coreMarks_segments.bed");
  EXPECT_TRUE(holds(found.notes, "E003 has more than one file: mnemonics taken, segments left"));
  EXPECT_TRUE(holds(found.notes, "mnemonics taken, dense left"));
  EXPECT_TRUE(holds(found.notes, "E004 has more than one file: segments taken, another name"));
  EXPECT_TRUE(holds(found.notes, "forms differ"));
}

TEST(RoadmapFolder, filesPerChromosome_becomeAPatternThatTheSheetReads) {
  const InputFolder folder;
  for (const char* contig : {"chr1", "chr2", "chrX"}) {
    const std::string name = std::string("_15_coreMarks_") + contig + "_statebyline.txt.gz";
    static_cast<void>(folder.write("E003" + name, ""));
    if (std::string_view(contig) != "chrX") static_cast<void>(folder.write("E004" + name, ""));
  }
  const auto found = find_segmentations(folder.path());
  ASSERT_EQ(found.found.size(), 2U);
  EXPECT_EQ(found.found[0].file, "E003_15_coreMarks_*_statebyline.txt.gz");
  EXPECT_EQ(found.found[0].num_files, 3);
  EXPECT_TRUE(holds(found.notes, "numbers of files differ: 2 of E004")) << found.notes.size();
  const std::string text = sheet_of(found, folder.path(), folder.path(), MissingCells::skip);
  const auto rows = read_sheet(folder.write("sheet.tsv", text));
  EXPECT_EQ(rows.at(0).paths.size(), 3U);
  EXPECT_EQ(rows.at(1).paths.size(), 2U);
}

TEST(RoadmapFolder, patternThatFitsAnotherFile_isRefused) {
  const InputFolder folder;
  for (const char* name :
       {"E003_15_coreMarks_chr1_statebyline.txt", "E003_15_coreMarks_chr2_statebyline.txt",
        "E003_15_coreMarks_old_statebyline.txt"}) {
    static_cast<void>(folder.write(name, ""));
  }
  expect_input_error({"E003_15_coreMarks_*_statebyline.txt", "3 files", "_old_"},
                     [&] { static_cast<void>(find_segmentations(folder.path())); });
}

TEST(RoadmapFolder, oneFileOfOneChromosome_isNamedAsItIs) {
  const InputFolder folder;
  static_cast<void>(folder.write("E003_chr22_core_K27ac_segments.bed.gz", ""));
  EXPECT_EQ(find_segmentations(folder.path()).found.at(0).file,
            "E003_chr22_core_K27ac_segments.bed.gz");
}

TEST(RoadmapFolder, filesNamedByEidAlone_needTheModel) {
  const InputFolder folder;
  static_cast<void>(folder.write("E021.bed.gz", ""));
  expect_error(core::ErrorKind::missing, {"none of 1 files", "E003_15_coreMarks", "give --model"},
               [&] { static_cast<void>(find_segmentations(folder.path())); });
  const auto found = find_segmentations(folder.path(), segmentation_set("25"));
  ASSERT_EQ(found.found.size(), 1U);
  EXPECT_EQ(found.found[0].file, "E021.bed.gz");
}

TEST(RoadmapFolder, unpublishedEpigenome_isPointedOut) {
  const InputFolder folder;
  static_cast<void>(folder.write("E001_18_core_K27ac_mnemonics.bed.gz", ""));
  const auto found = find_segmentations(folder.path());
  EXPECT_TRUE(holds(found.notes, "E001 has no H3K27ac"));
  EXPECT_TRUE(holds(summary_of(found), "0 of 98"));
}

TEST(RoadmapFolder, folderThatIsAbsentOrAFile_isSaid) {
  const InputFolder folder;
  expect_error(core::ErrorKind::missing, {"no such folder"},
               [&] { static_cast<void>(find_segmentations(folder.path() / "absent")); });
  const auto file = folder.write("file", "");
  expect_input_error({"is a file"}, [&] { static_cast<void>(find_segmentations(file)); });
}

TEST(RoadmapFolder, sheetElsewhere_hasPathsFromItsOwnFolder) {
  const InputFolder folder;
  static_cast<void>(folder.write("data/states/E003_15_coreMarks_mnemonics.bed.gz", ""));
  std::filesystem::create_directories(folder.path() / "sheets");
  const auto states = folder.path() / "data" / "states";
  const auto found = find_segmentations(states);
  const std::string text = sheet_of(found, states, folder.path() / "sheets", MissingCells::skip);
  EXPECT_TRUE(has(text, "\t../data/states/E003_15_coreMarks_mnemonics.bed.gz\n")) << text;
  expect_input_error({"a sheet cannot name this folder"}, [&] {
    static_cast<void>(sheet_of(found, folder.path() / "a\tb", folder.path(), MissingCells::skip));
  });
}

}  // namespace
}  // namespace epi::data
