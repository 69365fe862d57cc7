#include "data/formats/states_file.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

StateTrack read(std::string_view text) {
  const InputFolder folder;
  return read_states(std::array{folder.write("s.bed", text)}, {});
}

TEST(StatesBed_names, Mnemonics_splitAtTheFirstUnderscore) {
  const StateTrack track = read(
      "c\t0\t200\t18_Quiescent/low_signal\nc\t200\t400\t3_Tx5'\nc\t400\t600\t18_Quiescent/"
      "low_signal\n");
  ASSERT_EQ(2U, track.states.size());
  EXPECT_EQ(3, track.states[0].number);
  EXPECT_EQ("Tx5'", track.states[0].label);
  EXPECT_EQ(2, track.states[0].line);
  EXPECT_EQ(18, track.states[1].number);
  EXPECT_EQ("Quiescent/low_signal", track.states[1].label);
  EXPECT_EQ("1_Name", track.states[1].style);
}

TEST(StatesBed_names, SegmentsAndBareNumbers_haveNoLabel) {
  EXPECT_EQ(13, read("c\t0\t200\tE13\n").states.at(0).number);
  EXPECT_EQ("E1", read("c\t0\t200\tE13\n").states.at(0).style);
  EXPECT_EQ("U1", read("c\t0\t200\tU7\n").states.at(0).style);
  EXPECT_EQ(0, read("c\t0\t200\t0\n").states.at(0).number);
  EXPECT_EQ("", read("c\t0\t200\t4\n").states.at(0).label);
}

TEST(StatesBed_order, UnsortedLinesAndContigs_comeOutSorted) {
  const StateTrack track = read("b\t400\t600\tE1\na\t0\t200\tE2\nb\t0\t400\tE2\na\t200\t400\tE1\n");
  ASSERT_EQ(2U, track.contigs.size());
  EXPECT_EQ("b", track.contigs[0].name);
  ASSERT_EQ(2U, track.contigs[0].intervals.size());
  EXPECT_EQ(0, track.contigs[0].intervals[0].start_bp);
  EXPECT_EQ(2, track.contigs[0].intervals[0].state);
  EXPECT_EQ(3, track.contigs[0].intervals[0].line);
  EXPECT_EQ(600, track.contigs[0].intervals[1].end_bp);
}

TEST(StatesBed_grid, LastEndOfAContig_doesNotCount) {
  const StateTrack track = read("c\t0\t400\tE1\nc\t400\t1000\tE2\nc\t1000\t1033\tE1\n");
  EXPECT_EQ(200, track.grid.bin_bp);
  EXPECT_EQ(4, track.grid.boundaries);
  EXPECT_EQ(2, track.grid.line);
  EXPECT_EQ(5000, read("c\t0\t15000\tE1\nc\t15000\t20000\tE2\nc\t20000\t21001\tE1\n").grid.bin_bp);
  EXPECT_EQ(0, read("c\t0\t1033\tE1\n").grid.bin_bp);
}

TEST(StatesBed_grid, EndBeforeAHole_counts) {
  const StateTrack track = read("c\t0\t250\tE1\nc\t400\t600\tE2\n");
  EXPECT_EQ(50, track.grid.bin_bp);
  EXPECT_EQ(2, track.grid.line);
}

struct BadStates {
  const char* text;
  std::vector<std::string> says;
};

TEST(StatesBed_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<BadStates> cases = {
      {"c\t0\t200\n", {":1:", "3 columns", "state"}},
      {"c\t0\t200\t\n", {":1:"}},
      {"c\t0\t200\tTssA\n", {":1:", "'TssA'", "1_Name"}},
      {"c\t0\t200\tE\n", {":1:", "'E'"}},
      {"c\t0\t200\tE1_TssA\n", {":1:", "'E1_TssA'"}},
      {"c\t0\t200\t1_\n", {":1:", "'1_'"}},
      {"c\t0\t200\t-1\n", {":1:", "'-1'"}},
      {"c\t0\t200\t70000\n", {":1:", "'70000'"}},
      {"c\t0\t200\t1-TssA\n", {":1:", "'1-TssA'"}},
      {"c\t0\t200\tE1\nc\t200\t400\t2_Tss\n", {":2:", "'1_Name'", "'E1'", "line 1"}},
      {"c\t0\t200\t1_A\nc\t200\t400\t2_B\nc\t400\t600\t1_C\n", {":3:", "'C'", "'A'", "line 1"}},
      {"c\t0\t400\tE1\nc\t200\t600\tE2\n", {":2:", "overlaps", "line 1"}},
      {"c\t200\t600\tE2\nd\t0\t200\tE1\nc\t0\t400\tE1\n", {":3:", "overlaps", "line 1"}},
      {"c\t0\t200\tE1\nc\t0\t200\tE1\n", {":2:", "overlaps", "line 1"}},
      {"c\t400\t200\tE1\n", {":1:", "start 400"}},
      {"c\tzero\t200\tE1\n", {":1:", "'zero'"}},
      {"track name=x\n\n", {"no interval"}},
      {"", {"is empty"}},
      {"\x7f\x45LF\x02\x01\n", {":1:", "not text"}},
      {"c\t0\n", {":1:", "2 columns", "MaxState"}},
      {"chr1 0\t200\tE1\n", {":1:", "3 columns", "tabs and blanks"}},
      {"chr1\t0 200\tE1\tx\n", {":1:", "'0 200'", "tabs and blanks"}},
      // 1-based: closed with and without the first bin, and moved as a whole.
      {"c\t1\t400\tE1\nc\t401\t600\tE2\nc\t601\t1033\tE1\n",
       {":1:", "1-based (closed)", "200 bp", "0-based half-open"}},
      {"c\t201\t401\tE1\nc\t401\t801\tE2\nc\t801\t901\tE1\n",
       {":1:", "1-based", "200 bp", "start and end"}},
  };
  const InputFolder folder;
  for (const BadStates& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.bed", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read_states(std::array{path}, {}); });
  }
}

TEST(StatesBed_lines, OddButHarmless_areRead) {
  const StateTrack track = read(
      "browser position c:1-5\r\ntrack name=\"dense\" itemRgb=On\r\n\r\n"
      "c\t0\t200\t1_TssA\t0\t.\t0\t200\t255,0,0\r\n"
      "c\t200\t400\t2_Active TSS  \r\n# done\r\ntrack1\t0\t200\t1_TssA");
  ASSERT_EQ(2U, track.contigs.size());
  EXPECT_EQ("track1", track.contigs[1].name);
  EXPECT_EQ("Active TSS", track.states.at(1).label);
  EXPECT_EQ(5, track.states.at(1).line);
  EXPECT_EQ(2, read("  chr1   0  200   E2   \nchr1 200 400 E1\n").states.at(1).number);
}

TEST(StatesBed_labels, WithoutNumbers_needTheNames) {
  const InputFolder folder;
  const auto path = folder.write("s.bed",
                                 "c\t0\t200\tQuies\nc\t200\t400\tznf_rpts\n"
                                 "c\t400\t600\tZNF/Rpts\n");
  expect_input_error({":1:", "'Quies'", "--state-names"},
                     [&] { (void)read_states(std::array{path}, {}); });
  StatesFormat format;
  format.names = {{12, "ZNF/Rpts", ""}, {18, "Quies", ""}};
  const StateTrack track = read_states(std::array{path}, format);
  ASSERT_EQ(2U, track.states.size());
  EXPECT_EQ(12, track.states[0].number);
  EXPECT_EQ("Name", track.states[0].style);
  EXPECT_EQ(12, track.contigs.at(0).intervals.at(2).state);
  format.names = {{12, "ZNF/Rpts", ""}};
  expect_input_error({":1:", "'Quies'", "no label of --state-names"},
                     [&] { (void)read_states(std::array{path}, format); });
}

TEST(StatesLines_runs, EqualNeighbours_becomeOneInterval) {
  const InputFolder folder;
  const auto path =
      folder.write("s.txt", "E003\tchr2\r\nMaxState E\r\n18\r\n18 \r\n3\r\n18\r\n\r\n\n");
  const StateTrack track = read_states(std::array{path}, {});
  ASSERT_EQ(1U, track.contigs.size());
  EXPECT_EQ("chr2", track.contigs[0].name);
  const auto& runs = track.contigs[0].intervals;
  ASSERT_EQ(3U, runs.size());
  EXPECT_EQ(400, runs[0].end_bp);
  EXPECT_EQ(400, runs[1].start_bp);
  EXPECT_EQ(3, runs[1].state);
  EXPECT_EQ(5, runs[1].line);
  EXPECT_EQ(800, runs[2].end_bp);
  EXPECT_EQ("E1", track.states.at(0).style);
  EXPECT_EQ(200, track.grid.bin_bp);
  EXPECT_EQ(3, track.grid.boundaries);
  StatesFormat coarse;
  coarse.line_bin_bp = 5000;
  EXPECT_EQ(20000, read_states(std::array{path}, coarse).contigs[0].intervals[2].end_bp);
}

TEST(StatesLines_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<BadStates> cases = {
      {"E003\tchr2\nMaxState E\n", {"no state"}},
      {"E003\tchr2\nMaxState\n1\n", {":2:", "''"}},
      {"E003\tchr2\nMaxState X\n1\n", {":2:", "'X'"}},
      {"E003\tchr2\nMaxState 255\n1\n", {":2:", "'255'", "254"}},
      {"E003\tchr2\nMaxProb 3\n1\n", {":1:", "MaxState"}},
      {"E003\tchr2\nMaxState 15\n1\n16\n", {":4:", "'16'", "1 to 15"}},
      {"E003\tchr2\nMaxState E\n1\n0\n", {":4:", "'0'", "1 to 254"}},
      {"E003\tchr2\nMaxState E\n1\n\n2\n", {":4:", "empty line"}},
      {"E003\tchr2\nMaxState E\n1\nE2\n", {":4:", "'E2'"}},
      {"E003\tchr2\nMaxState E\n1 2\n", {":3:", "'1 2'"}},
  };
  const InputFolder folder;
  for (const BadStates& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.txt", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read_states(std::array{path}, {}); });
  }
}

TEST(States_files, OneContigPerFile_areOneTrack) {
  const InputFolder folder;
  const auto a = folder.write("a.txt", "x\tchr1\nMaxState E\n1\n2\n");
  const auto b = folder.write("b.bed", "chr2\t0\t200\tE3\nchr2\t200\t400\tE1\n");
  const StateTrack track = read_states(std::array{a, b}, {});
  ASSERT_EQ(2U, track.contigs.size());
  EXPECT_EQ(1U, track.contigs[1].file);
  EXPECT_EQ(0U, track.states.at(0).file);
  EXPECT_EQ(3, track.states.at(2).number);
  EXPECT_EQ(1U, track.states.at(2).file);
  EXPECT_EQ(2, track.grid.boundaries - 1);
}

TEST(States_files, FilesThatDoNotFit_nameBothPlaces) {
  const InputFolder folder;
  const auto a = folder.write("a.txt", "x\tchr1\nMaxState E\n1\n2\n");
  const auto again = folder.write("again.bed", "chr2\t0\t200\tE1\nchr1\t0\t200\tE1\n");
  const auto other_cell = folder.write("cell.txt", "y\tchr2\nMaxState E\n1\n");
  const auto other_style = folder.write("style.bed", "chr3\t0\t200\t4_Tx\n");
  expect_input_error({"again.bed:2:", "a.txt:3", "'chr1'"}, [&] {
    (void)read_states(std::array{a, again}, {});
  });
  expect_input_error({"cell.txt:1:", "a.txt:1", "'x'", "'y'"}, [&] {
    (void)read_states(std::array{a, other_cell}, {});
  });
  expect_input_error({"style.bed:1:", "a.txt:3", "'1_Name'", "'E1'"}, [&] {
    (void)read_states(std::array{a, other_style}, {});
  });
  std::string coarse;
  for (int i = 0; i < 40; ++i) {
    coarse +=
        "chr4\t" + std::to_string(i * 5000) + "\t" + std::to_string((i + 1) * 5000) + "\tE1\n";
  }
  const auto bins = folder.write("bins.bed", coarse);
  expect_input_error({"bins.bed:1:", "5000 bp", "200 bp", "a.txt:3"}, [&] {
    (void)read_states(std::array{a, bins}, {});
  });
  expect_input_error({"folder"}, [&] { (void)read_states(std::array{folder.path()}, {}); });
  const auto wig = folder.write("s.bw", std::string("\x26\xfc\x8f\x88") + std::string(60, '\0'));
  expect_input_error({"s.bw", "bigWig"}, [&] { (void)read_states(std::array{wig}, {}); });
}

}  // namespace
}  // namespace epi::data
