#include "data/contig_names.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

std::vector<Contig> contigs(const std::vector<std::string>& names) {
  std::vector<Contig> list;
  for (const std::string& name : names) {
    list.emplace_back();
    list.back().name = name;
  }
  return list;
}

TEST(ContigNames_prefix, Matters_unlessSaidOtherwise) {
  const auto genome = contigs({"22", "chr20", "chr7", "7"});
  const ContigNames strict(genome, ChrPrefix::matters);
  EXPECT_EQ(0, strict.find("22"));
  EXPECT_EQ(std::nullopt, strict.find("chr22"));
  EXPECT_EQ(std::nullopt, strict.find("20"));
  const ContigNames loose(genome, ChrPrefix::optional);
  EXPECT_EQ(0, loose.find("chr22"));
  EXPECT_EQ(1, loose.find("20"));
  EXPECT_EQ(2, loose.find("chr7"));  // an exact name comes first
  EXPECT_EQ(3, loose.find("7"));
  EXPECT_EQ(std::nullopt, loose.find("chr"));
}

TEST(ContigNames_aliases, ExactThenTableThenPrefix) {
  const auto genome = contigs({"22", "chrX", "NC_000001.10", "odd"});
  const ContigNames names(genome, ChrPrefix::matters, AliasTable::bundled("hg19").value());
  EXPECT_EQ(0, names.find("chr22"));
  EXPECT_EQ(0, names.find("NC_000022.10"));
  EXPECT_EQ(1, names.find("X"));
  EXPECT_EQ(2, names.find("chr1"));
  EXPECT_EQ(3, names.find("odd"));
  EXPECT_EQ(std::nullopt, names.find("chrodd"));  // the prefix rule is another option
  EXPECT_EQ(std::nullopt, names.find("chr2"));
  const ContigNames both(genome, ChrPrefix::optional, AliasTable::bundled("hg19").value());
  EXPECT_EQ(3, both.find("chrodd"));
  EXPECT_EQ(2, both.find("chr1"));
}

TEST(ContigNames_aliases, TwoContigsOfOneRow_areRefused) {
  const auto genome = contigs({"1", "22", "chr22"});
  expect_input_error({"'22'", "'chr22'", "--alias"}, [&] {
    (void)ContigNames(genome, ChrPrefix::matters, AliasTable::bundled("hg19").value());
  });
}

TEST(AliasAdvice_options, TheOneThatHelps_isNamed) {
  const auto advice = [](const std::string& unknown, const std::vector<std::string>& genome) {
    return alias_advice(std::vector<std::string>{unknown}, contigs(genome));
  };
  EXPECT_NE(std::string::npos, advice("chr22", {"22"}).find("--alias-chr"));
  EXPECT_NE(std::string::npos, advice("NC_000022.10", {"22"}).find("--alias hg19"));
  EXPECT_NE(std::string::npos, advice("chrM", {"1", "MT"}).find("--alias hg38"));
  EXPECT_EQ("", advice("chr21", {"22"}));
  EXPECT_EQ("", advice("22", {"22", "chr22"}));  // known already
}

TEST(SplitList_items, BlanksAreTrimmed_emptyAndRepeatedAreRefused) {
  EXPECT_EQ((std::vector<std::string>{"a", "b c", "d"}), split_list(" a,b c , d", "--valid"));
  EXPECT_TRUE(split_list("  ", "--valid").empty());
  for (const char* bad : {"a,,b", "a,", ",", "a,b,a"}) {
    expect_error(core::ErrorKind::config, {"--valid"}, [&] { (void)split_list(bad, "--valid"); });
  }
}

TEST(ListText_length, ManyNames_areCounted) {
  EXPECT_EQ("none", list_text({}));
  EXPECT_EQ("1, 2", list_text(std::vector<std::string>{"1", "2"}));
  std::vector<std::string> many(43, "x");
  EXPECT_TRUE(list_text(many).ends_with("x and 3 more"));
}

}  // namespace
}  // namespace epi::data
