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
  const std::vector<Segmentation> all = {{"a.bed", a, {}}, {"b.bed", b, {}}};
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
  const std::vector<Segmentation> labels = {{"a.bed", a, {}}, {"b.bed", other_label, {}}};
  expect_input_error({"a.bed:1", "b.bed:7", "'Tx'", "'TssFlnk'"},
                     [&] { (void)common_vocabulary(labels); });
  const std::vector<Segmentation> styles = {{"a.bed", a, {}}, {"c.bed", other_style, {}}};
  expect_input_error({"a.bed:", "c.bed:9", "'1_Name'", "'E1'"},
                     [&] { (void)common_vocabulary(styles); });
}

TEST(Vocabulary_size, BeyondOneByte_isRefused) {
  Named many;
  for (std::int32_t i = 0; i < 255; ++i) many.push_back({i, "", "1", i + 1});
  const std::vector<Segmentation> all = {{"a.bed", many, {}}};
  expect_input_error({"a.bed", "255"}, [&] { (void)common_vocabulary(all); });
}

std::vector<Segmentation> grids(const std::vector<Grid>& list) {
  std::vector<Segmentation> all;
  for (const Grid& grid : list) {
    all.push_back({std::string(1, static_cast<char>('a' + all.size())) + ".bed", {}, grid});
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
