#include "data/aliases.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

using Names = std::vector<std::string>;

TEST(AliasTable_bundled, ThreeNamings_meanOneContig) {
  const AliasTable hg19 = AliasTable::bundled("hg19").value();
  const Names chr22 = {"chr22", "22", "NC_000022.10"};
  for (const std::string& name : chr22) EXPECT_EQ(chr22, hg19.names_of(name));
  EXPECT_TRUE(hg19.names_of("NC_000022.11").empty());  // hg38's
  EXPECT_TRUE(hg19.names_of("-").empty());
  EXPECT_TRUE(hg19.names_of("").empty());
  const AliasTable hg38 = AliasTable::bundled("hg38").value();
  EXPECT_EQ((Names{"chrX", "X", "NC_000023.11"}), hg38.names_of("X"));
  EXPECT_EQ((Names{"chrM", "MT", "NC_012920.1"}), hg38.names_of("chrM"));
  // hg19's chrM is another sequence than GRCh37's MT.
  EXPECT_EQ((Names{"chrM", "NC_001807.4"}), hg19.names_of("chrM"));
  EXPECT_EQ((Names{"MT", "NC_012920.1"}), hg19.names_of("MT"));
  EXPECT_FALSE(AliasTable::bundled("mm10"));
}

TEST(AliasTable_file, TabSeparatedNames_commentsAndNoNamesAreSkipped) {
  const InputFolder folder;
  const auto path =
      folder.write("a.tsv", "#ucsc\tensembl\nchrI\tI\tI\n\nchrMito\t-\tMito name\r\n");
  const AliasTable table = AliasTable::read(path);
  EXPECT_EQ((Names{"chrI", "I"}), table.names_of("I"));
  EXPECT_EQ((Names{"chrMito", "Mito name"}), table.names_of("Mito name"));
  EXPECT_TRUE(table.names_of("#ucsc").empty());
}

TEST(AliasTable_file, NameInTwoLinesOrNoNames_areRefused) {
  const InputFolder folder;
  const auto twice = folder.write("t.tsv", "chr1\t1\nchr2\t1\n");
  expect_input_error({twice.string() + ":2:", "'1'", "line 1"},
                     [&] { (void)AliasTable::read(twice); });
  const auto none = folder.write("n.tsv", "# nothing\n-\t-\n");
  expect_input_error({none.string(), "no names"}, [&] { (void)AliasTable::read(none); });
}

TEST(AliasOption_text, BundledOrFile_elseListsTheBundled) {
  const InputFolder folder;
  EXPECT_TRUE(alias_table_of("").names_of("chr1").empty());
  EXPECT_EQ(3U, alias_table_of("hg38").names_of("1").size());
  EXPECT_EQ(2U, alias_table_of(folder.write("a.tsv", "A\tB\n").string()).names_of("A").size());
  expect_error(core::ErrorKind::config, {"--alias mm10", "hg19, hg38"},
               [] { (void)alias_table_of("mm10"); });
}

}  // namespace
}  // namespace epi::data
