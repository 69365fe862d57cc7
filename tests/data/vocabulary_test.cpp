#include "data/vocabulary.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

using Named = std::vector<NamedState>;

TEST(Vocabulary_union, NumbersWithGaps_getDenseCodes) {
  const Named a = {{1, "Tss", "1_Name", 4}, {18, "Quies", "1_Name", 1}};
  const Named b = {{9, "Enh", "1_Name", 2}, {18, "Quies", "1_Name", 3}};
  const std::vector<Segmentation> all = {{{"a.bed"}, a, {}}, {{"b.bed"}, b, {}}};
  const auto states = common_vocabulary(all);
  ASSERT_EQ(3U, states.size());
  EXPECT_EQ(9, states[1].number);
  EXPECT_EQ("Enh", states[1].label);
  const auto codes = codes_by_number(states);
  EXPECT_EQ(1, codes.at(1));
  EXPECT_EQ(2, codes.at(9));
  EXPECT_EQ(3, codes.at(18));
  EXPECT_EQ(0, codes.at(17));
}

TEST(Vocabulary_mixture, LabelsOrStylesThatDiffer_nameBothFilesAndLines) {
  const Named a = {{1, "TssA", "1_Name", 4}, {2, "Tx", "1_Name", 1}};
  const Named other_label = {{2, "TssFlnk", "1_Name", 7}};
  const Named other_style = {{3, "", "E1", 9}};
  const std::vector<Segmentation> labels = {{{"a.bed"}, a, {}}, {{"b.bed"}, other_label, {}}};
  expect_input_error({"a.bed:1", "b.bed:7", "'Tx'", "'TssFlnk'"},
                     [&] { (void)common_vocabulary(labels); });
  const std::vector<Segmentation> styles = {{{"a.bed"}, a, {}}, {{"c.bed"}, other_style, {}}};
  expect_input_error({"a.bed:", "c.bed:9", "'1_Name'", "'E1'"},
                     [&] { (void)common_vocabulary(styles); });
}

TEST(Vocabulary_size, BeyondOneByte_isRefused) {
  Named many;
  for (std::int32_t i = 0; i < 255; ++i) many.push_back({i, "", "1", i + 1});
  const std::vector<Segmentation> all = {{{"a.bed"}, many, {}}};
  expect_input_error({"a.bed", "255"}, [&] { (void)common_vocabulary(all); });
}

TEST(Vocabulary_mixture, StateOfASecondFile_namesThatFile) {
  const Named a = {{1, "TssA", "1_Name", 4, 0}, {2, "Tx", "1_Name", 9, 1}};
  const Named b = {{2, "TssFlnk", "1_Name", 7, 1}};
  const std::vector<Segmentation> all = {{{"a1.bed", "a2.bed"}, a, {}},
                                         {{"b1.bed", "b2.bed"}, b, {}}};
  expect_input_error({"a2.bed:9", "b2.bed:7"}, [&] { (void)common_vocabulary(all); });
}

TEST(Vocabulary_absentEpigenome, CellWithoutFiles_changesNothing) {
  const Named a = {{1, "TssA", "1_Name", 4}};
  const std::vector<Segmentation> all = {{{}, {}, {}}, {{"a.bed"}, a, {200, 40, 3}}};
  const Vocabulary vocabulary = make_vocabulary(all, nullptr, nullptr);
  EXPECT_EQ(1U, vocabulary.states.size());
  EXPECT_EQ((std::vector<std::size_t>{0, 0}), vocabulary.lacking);
  EXPECT_EQ(200, common_bin(all));
  const std::vector<Segmentation> none = {{{}, {}, {}}};
  expect_input_error({"no cell type", "'path'"}, [&] { (void)common_bin(none); });
}

const StateNames kNames = {
    "names.tsv",
    {{1, "TssA", "255,0,0"}, {2, "ZNF/Rpts", ""}, {5, "Tx5p", ""}, {9, "Quies", "255,255,255"}}};

TEST(Vocabulary_names, AnyStyle_getsTheListsLabelsColoursAndCodes) {
  const Named a = {{1, "", "E1", 4}, {9, "", "E1", 5}};
  const Named b = {
      {1, "tssa", "1_Name", 1}, {2, "ZNF_Rpts", "1_Name", 2}, {5, "Tx5'", "1_Name", 3}};
  const Named c = {{9, "", "1", 1}};
  const std::vector<Segmentation> all = {
      {{"a.bed"}, a, {}}, {{"b.bed"}, b, {}}, {{"c.bed"}, c, {}}};
  const Vocabulary vocabulary = make_vocabulary(all, &kNames, nullptr);
  ASSERT_EQ(4U, vocabulary.states.size());
  EXPECT_EQ("ZNF/Rpts", vocabulary.states[1].label);
  EXPECT_EQ("255,0,0", vocabulary.states[0].colour);
  EXPECT_EQ(4, vocabulary.codes.at(9));
  EXPECT_EQ(0, vocabulary.codes.at(8));
  EXPECT_EQ((std::vector<std::size_t>{2, 1, 3}), vocabulary.lacking);
}

TEST(Vocabulary_names, StateOutsideOfTheListOrCalledOtherwise_namesLineAndList) {
  const Named unknown = {{3, "", "1", 7}};
  const Named renamed = {{2, "Enh", "1_Name", 8}};
  const std::vector<Segmentation> outside = {{{"a.bed"}, unknown, {}}};
  const std::vector<Segmentation> other = {{{"b.bed"}, renamed, {}}};
  expect_input_error({"a.bed:7", "state 3", "names.tsv"},
                     [&] { (void)make_vocabulary(outside, &kNames, nullptr); });
  expect_input_error({"b.bed:8", "'Enh'", "'ZNF/Rpts'", "names.tsv"},
                     [&] { (void)make_vocabulary(other, &kNames, nullptr); });
}

TEST(Vocabulary_map, TargetsBecomeTheVocabulary_andDashIsMissing) {
  const Named a = {{1, "", "E1", 1}, {2, "", "E1", 2}, {9, "", "E1", 3}};
  const std::vector<Segmentation> all = {{{"a.bed"}, a, {}}};
  const StateMap map = {
      "map.tsv", {{1, 7}, {2, 7}, {9, -1}}, {}, {{4, "Never", ""}, {7, "Active", "0,0,0"}}};
  const Vocabulary vocabulary = make_vocabulary(all, nullptr, &map);
  ASSERT_EQ(2U, vocabulary.states.size());
  EXPECT_EQ("Active", vocabulary.states[1].label);
  EXPECT_EQ(2, vocabulary.codes.at(1));
  EXPECT_EQ(2, vocabulary.codes.at(2));
  EXPECT_EQ(0, vocabulary.codes.at(9));
  const StateMap poor = {"map.tsv", {{1, 7}}, {}, {{7, "Active", ""}}};
  expect_input_error({"map.tsv", "2, 9"}, [&] { (void)make_vocabulary(all, nullptr, &poor); });
}

std::vector<Segmentation> grids(const std::vector<Grid>& list) {
  std::vector<Segmentation> all;
  for (const Grid& grid : list) {
    all.push_back({{std::string(1, static_cast<char>('a' + all.size())) + ".bed"}, {}, grid});
  }
  return all;
}

TEST(CommonBin_agreement, EqualGridsOrFewBoundaries_giveTheBin) {
  EXPECT_EQ(200, common_bin(grids({{200, 1000, 5}, {200, 40, 6}})));
  EXPECT_EQ(5000, common_bin(grids({{5000, 1000, 5}})));
  EXPECT_EQ(200, common_bin(grids({{200, 1000, 5}, {600, 3, 2}, {0, 0, 0}})));
}

TEST(CommonBin_disagreement, TwoSizes_nameBothFilesAndLines) {
  expect_input_error({"a.bed:5", "b.bed:6", "200", "5000"}, [] {
    (void)common_bin(grids({{200, 1000, 5}, {5000, 900, 6}}));
  });
  // Few boundaries, yet off the others' grid.
  expect_input_error({"a.bed:5", "b.bed:2", "200", "300"}, [] {
    (void)common_bin(grids({{200, 1000, 5}, {300, 3, 2}}));
  });
}

TEST(CommonBin_size, NoGridOrOneBasePair_isRefused) {
  expect_input_error({"a.bed"}, [] { (void)common_bin(grids({{0, 0, 0}})); });
  expect_input_error({"a.bed:77", "1 bp"}, [] { (void)common_bin(grids({{1, 1000, 77}})); });
}

}  // namespace
}  // namespace epi::data
