#include "data/formats/state_names.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

StateNames names_of(std::string_view text) {
  const InputFolder folder;
  return read_state_names(folder.write("names.tsv", text));
}

void expect_states(const std::vector<State>& expected, const std::vector<State>& found) {
  ASSERT_EQ(expected.size(), found.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(expected[i].number, found[i].number);
    EXPECT_EQ(expected[i].label, found[i].label);
    EXPECT_EQ(expected[i].colour, found[i].colour);
  }
}

TEST(StateNames_published, EveryKnownTable_isReadAsItIs) {
  // The first lines of epilogos' metadata, of Roadmap's annotation (with its misspelt title and the
  // empty line at its end), of its web page, of ChromHMM's own label file, and of a 13-state model.
  expect_states({{1, "TssA", "255,0,0"}, {2, "TssAFlnk", "255,69,0"}},
                names_of("zero_index\tone_index\tshort_name\tlong_name\thex\trgba\tcolor\n"
                         "0\t1\tTssA\tActive TSS\t#ff0000\trgba(255,0,0,1)\tRed\n"
                         "1\t2\tTssAFlnk\tFlanking Active TSS\t#ff4500\trgba(255,69,0,1)\tOrange "
                         "Red\n")
                    .states);
  expect_states({{1, "TssA", "255,0,0"}, {12, "ZNF/Rpts", "102,205,170"}},
                names_of("state\tmnenomic\tdescription\tcolor_name\titemRgb\n"
                         "1\tTssA\tActive TSS\tRed\t255,0,0\n"
                         "12\tZNF/Rpts\tZNF genes & repeats\tMedium Aquamarine\t102,205,170\n\n")
                    .states);
  expect_states({{1, "TssA", "255,0,0"}},
                names_of("STATE NO.\tMNEMONIC\tDESCRIPTION\tCOLOR NAME\tCOLOR CODE\n"
                         "1\tTssA\tActive TSS\tRed\t255,0,0\n")
                    .states);
  expect_states({{1, "TssA", ""}, {2, "Tx", ""}}, names_of("E2\tTx\nE1\tTssA\n").states);
  expect_states({{18, "Quiescent/low_signal", "255,255,255"}},
                names_of("state_number\tstate_name\tcolor_code\tH3K36me3\n"
                         "18\tQuiescent/low_signal\t255,255,255\t0.012\n")
                    .states);
}

TEST(StateNames_plain, RowsWithoutHeader_mayHaveColourAndComments) {
  expect_states({{0, "Quies", "255,255,255"}, {3, "Active TSS", ""}},
                names_of("# mine\r\n3\tActive TSS\r\n\r\n0\tQuies\t#FFffFF\tignored\r\n").states);
  expect_states({{3, "TssA", ""}}, names_of("3_TssA\n").states);
}

struct Bad {
  const char* text;
  std::vector<std::string> says;
};

TEST(StateNames_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<Bad> cases = {
      {"", {"no state"}},
      {"state\tmnemonic\n", {"no state"}},
      {"1 TssA\n", {":1:", "'1 TssA'", "NUMBER<TAB>LABEL"}},
      {"state\tdescription\n1\tx\n", {":1:", "labels"}},
      {"colour\tlabel\n1\tx\n", {":1:", "numbers"}},
      {"1\tA\nB\t2\n", {":2:", "'B'"}},
      {"1\n", {":1:", "state 1", "no label"}},
      {"1\tA\nE1\tB\n", {":2:", "state 1", "line 1"}},
      {"1\tZNF/Rpts\n2\tznf_rpts\n", {":2:", "'znf_rpts'", "line 1"}},
      {"1\tA\t256,0,0\n", {":1:", "'256,0,0'", "#RRGGBB"}},
      {"1\tA\t1,2\n", {":1:", "'1,2'"}},
      {"1\tA\t1,2,3,4\n", {":1:", "'1,2,3,4'"}},
      {"1\tA\t#ff00\n", {":1:", "'#ff00'"}},
      {"1\tA\t#ff00zz\n", {":1:", "'#ff00zz'"}},
      {"1\tA\xff\n", {":1:", "UTF-8"}},
  };
  const InputFolder folder;
  for (const Bad& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.tsv", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read_state_names(path); });
  }
}

TEST(StateNames_size, BeyondOneByte_isRefused) {
  std::string text;
  for (int i = 1; i <= 255; ++i) text += std::to_string(i) + "\tS" + std::to_string(i) + "\n";
  expect_input_error({"255 states", "254"}, [&] { (void)names_of(text); });
}

StateMap map_of(std::string_view text) {
  const InputFolder folder;
  return read_state_map(folder.write("map.tsv", text));
}

TEST(StateMap_rows, ManyToOne_nameTargetsOnce) {
  const StateMap map = map_of(
      "from\tto\tlabel\tcolour\n25_Quies\t-\nE1\t1_TssA\n2\t1\t\t255,0,0\n3\t7\tTx\t#"
      "008000\n4\tE7\n");
  expect_states({{1, "TssA", "255,0,0"}, {7, "Tx", "0,128,0"}}, map.states);
  EXPECT_EQ(-1, map.target.at(25));
  EXPECT_EQ(1, map.target.at(2));
  EXPECT_EQ(7, map.target.at(4));
  EXPECT_EQ("Quies", map.from_labels.at(25));
}

TEST(StateMap_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<Bad> cases = {
      {"", {"maps no state"}},
      {"from\tto\n", {"maps no state"}},
      {"1\t-\n", {"every state missing"}},
      {"old\tnew\n1\t2\n", {":1:", "'old'"}},
      {"1\n", {":1:", "FROM<TAB>TO"}},
      {"1\tx\n", {":1:", "'x'"}},
      {"1\t2\nE1\t3\n", {":2:", "state 1", "twice"}},
      {"1\t2\tA\n3\t2\tB\n", {":2:", "state 2", "'A'", "'B'"}},
      {"1\t2\tA\t0,0,0\n3\t2\tA\t0,0,1\n", {":2:", "coloured"}},
      {"1\t2\tA\n3\t4\ta\n", {":2:", "'a'", "state 2"}},
      {"1\t2\tA\tred\n", {":1:", "'red'"}},
  };
  const InputFolder folder;
  for (const Bad& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.tsv", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read_state_map(path); });
  }
}

TEST(MappedCodes_vocabularies, NumbersBecomeCodesOfTheOther) {
  const StateMap map = map_of("1\t5_B\n2\t-\n8\t3_A\n9\t5\n");
  const std::vector<State> from = {{1, "x", ""}, {2, "y", ""}, {8, "z", ""}};
  EXPECT_EQ((std::vector<std::uint8_t>{0, 2, 0, 1}), mapped_codes(map, from, map.states));
  const std::vector<State> larger = {{1, "", ""}, {3, "a", ""}, {4, "", ""}, {5, "", ""}};
  EXPECT_EQ((std::vector<std::uint8_t>{0, 4, 0, 2}), mapped_codes(map, from, larger));
}

TEST(MappedCodes_errors, WhatDoesNotFit_isNamed) {
  const StateMap map = map_of("1_TssA\t5_B\n8\t3_A\n");
  const std::vector<State> two = {{1, "TssA", ""}, {8, "", ""}};
  expect_input_error({"map.tsv", "no row", "9_New"}, [&] {
    (void)mapped_codes(map, {{1, "TssA", ""}, {9, "New", ""}}, map.states);
  });
  expect_input_error({"map.tsv", "lacks", "3_A"}, [&] {
    (void)mapped_codes(map, two, {{5, "B", ""}});
  });
  expect_input_error({"'B'", "'C'", "state 5"}, [&] {
    (void)mapped_codes(map, two, {{3, "", ""}, {5, "C", ""}});
  });
  expect_input_error({"'TssA'", "'Quies'", "state 1"}, [&] {
    (void)mapped_codes(map, {{1, "Quies", ""}}, map.states);
  });
}

}  // namespace
}  // namespace epi::data
