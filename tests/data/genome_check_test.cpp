#include "data/genome_check.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

TEST(ChromSizes_lines, NameAndLength_furtherColumnsAreIgnored) {
  const InputFolder folder;
  const auto sizes = read_chrom_sizes(
      folder.write("s.txt", "chr1\t249250621\n\nchr2 243199373\r\nx\t5\t9\t60\t61\n"));
  ASSERT_EQ(3U, sizes.size());
  EXPECT_EQ("chr1", sizes[0].name);
  EXPECT_EQ(249'250'621, sizes[0].length_bp);
  EXPECT_EQ("chr2", sizes[1].name);
  EXPECT_EQ(3, sizes[1].line);
  EXPECT_EQ(5, sizes[2].length_bp);
}

TEST(ChromSizes_errors, EveryKind_namesFileAndLine) {
  const InputFolder folder;
  struct Bad {
    std::string text, where, says;
  };
  for (const Bad& bad : {Bad{"chr1\t0\n", ":1:", "length"}, Bad{"chr1\t-5\n", ":1:", "length"},
                         Bad{"chr1\t5x\n", ":1:", "'5x'"}, Bad{"a\t1\nchr1\n", ":2:", "one column"},
                         Bad{"a\t1\nb\t2\na\t1\n", ":3:", "line 1"}, Bad{"\t1\n", ":1:", "name"},
                         Bad{"", "", "no contig"}, Bad{"# x\n", "", "no contig"}}) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.txt", bad.text);
    expect_input_error({path.string() + bad.where, bad.says},
                       [&] { (void)read_chrom_sizes(path); });
  }
}

Contig contig(const std::string& name, std::int64_t length_bp) {
  Contig made;
  made.name = name;
  made.length_bp = length_bp;
  return made;
}

std::vector<Contig> genome() {
  return {contig("1", 100), contig("2", 50), contig("MT", 16)};
}

TEST(CheckSizes_agreement, ListedContigs_andOthersInTheList_pass) {
  const auto contigs = genome();
  const ContigNames names(contigs, ChrPrefix::matters);
  check_sizes(contigs, names, "s.txt",
              std::vector<ContigSize>{{"9", 7, 1}, {"2", 50, 2}, {"MT", 16, 3}, {"1", 100, 4}});
  const ContigNames aliased(contigs, ChrPrefix::matters, AliasTable::bundled("hg38").value());
  check_sizes(contigs, aliased, "s.txt",
              std::vector<ContigSize>{{"chr1", 100, 1}, {"chr2", 50, 2}, {"chrM", 16, 3}});
}

TEST(CheckSizes_difference, AllOfThem_areListed) {
  const auto contigs = genome();
  const ContigNames names(contigs, ChrPrefix::matters);
  expect_input_error({"s.txt", "1 (100 bp, on line 4 101 bp)", "2 (50 bp, not listed)"}, [&] {
    check_sizes(contigs, names, "s.txt", std::vector<ContigSize>{{"MT", 16, 3}, {"1", 101, 4}});
  });
  expect_input_error({"--alias-chr"}, [&] {
    check_sizes(contigs, names, "s.txt", std::vector<ContigSize>{{"chr1", 100, 1}});
  });
  expect_input_error({"--alias hg19"}, [&] {
    check_sizes(contigs, names, "s.txt", std::vector<ContigSize>{{"NC_000001.10", 100, 1}});
  });
}

}  // namespace
}  // namespace epi::data
