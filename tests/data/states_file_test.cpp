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

}  // namespace
}  // namespace epi::data
