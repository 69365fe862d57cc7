#include "data/formats/sheet.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

TEST(Sheet_rows, ColumnsInAnyOrder_pathsFromTheSheetsFolder) {
  const InputFolder folder;
  const auto bed = folder.write("beds/a.bed", "x");
  const auto rows = read_sheet(folder.write(
      "s.tsv", "\xef\xbb\xbfpath\tcell\tname\r\n# comment\r\n\r\nbeds/a.bed\tE003\tH1 Cells\r\n" +
                   bed.string() + "\tE004\t\r\n"));
  ASSERT_EQ(2U, rows.size());
  EXPECT_EQ("E003", rows[0].cell);
  EXPECT_EQ("H1 Cells", rows[0].name);
  EXPECT_EQ("beds/a.bed", rows[0].source);
  EXPECT_TRUE(std::filesystem::equivalent(bed, rows[0].paths.at(0)));
  EXPECT_EQ(4, rows[0].line);
  EXPECT_EQ("E004", rows[1].name);
  EXPECT_EQ(bed, rows[1].paths.at(0));
}

TEST(Sheet_rows, GroupAndWeight_areOptional) {
  const InputFolder folder;
  (void)folder.write("a.bed", "x");
  const auto rows = read_sheet(folder.write(
      "s.tsv", "cell\tgroup\tname\tweight\tpath\na\tESC, \xc3\xa9\t\t2.5\ta.bed\nb\t\t\t\t\n"));
  ASSERT_EQ(2U, rows.size());
  EXPECT_EQ("ESC, \xc3\xa9", rows[0].group);
  EXPECT_EQ(2.5, rows[0].weight);
  EXPECT_EQ("", rows[1].group);
  EXPECT_EQ(1.0, rows[1].weight);
  EXPECT_TRUE(rows[1].paths.empty()) << "no path: no epigenome";
  EXPECT_EQ("", rows[1].source);
}

std::vector<std::string> matched(const InputFolder& folder, const std::string& pattern) {
  const auto rows = read_sheet(folder.write("s.tsv", "cell\tname\tpath\na\t\t" + pattern + "\n"));
  std::vector<std::string> names;
  for (const auto& path : rows.at(0).paths) names.push_back(path.filename().string());
  return names;
}

TEST(Sheet_patterns, Stars_giveSortedFilesOfTheFolder) {
  const InputFolder folder;
  for (const char* name : {"E003_chr2.txt", "E003_chr10.txt", "E003_chr1.txt", "E004_chr1.txt",
                           ".E003_chr3.txt", "E003_chr1.txt.bak", "E003 \xc3\xa9_chr4.txt"}) {
    (void)folder.write(std::string("lines/") + name, "x");
  }
  using Names = std::vector<std::string>;
  EXPECT_EQ((Names{"E003_chr1.txt", "E003_chr10.txt", "E003_chr2.txt"}),
            matched(folder, "lines/E003_*.txt"));
  EXPECT_EQ((Names{"E003_chr1.txt", "E004_chr1.txt"}), matched(folder, "lines/E*_chr1.*t"));
  EXPECT_EQ((Names{".E003_chr3.txt"}), matched(folder, "lines/.E*"));
  EXPECT_EQ((Names{"E003_chr10.txt"}), matched(folder, "lines/*3*1*0*"));
  EXPECT_EQ((Names{"E003 \xc3\xa9_chr4.txt"}), matched(folder, "lines/* *"));
  EXPECT_EQ(6U, matched(folder, "lines/*").size());
}

TEST(Sheet_patterns, NothingLikeIt_namesPatternAndLine) {
  const InputFolder folder;
  for (const char* pattern : {"no*.bed", "absent/*.bed", "s.tsv*x"}) {
    expect_error(core::ErrorKind::missing, {"s.tsv:2:", pattern},
                 [&] { (void)matched(folder, pattern); });
  }
}

struct BadSheet {
  const char* text;
  std::vector<std::string> says;
};

TEST(Sheet_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<BadSheet> cases = {
      {"", {"empty"}},
      {"cell\tname\tpath\n", {"no cells"}},
      {"cell\tname\n", {":1:", "'path' is missing"}},
      {"cell\tname\tpath\tage\n", {":1:", "'age'"}},
      {"cell\tname\tpath\tcell\n", {":1:", "'cell' is there twice"}},
      {"cell name path\n", {":1:", "tab"}},
      {"cell\tname\tpath\na\tb\n", {":2:", "2 columns"}},
      {"cell\tname\tpath\na\tb\ta.bed\tx\n", {":2:", "4 columns"}},
      {"cell\tname\tpath\n\tb\ta.bed\n", {":2:", "no id"}},
      {"cell\tname\tpath\na,b\tb\ta.bed\n", {":2:", "'a,b'"}},
      {"cell\tname\tpath\tweight\na\tb\ta.bed\t0\n", {":2:", "weight '0'", "positive"}},
      {"cell\tname\tpath\tweight\na\tb\ta.bed\tinf\n", {":2:", "'inf'"}},
      {"cell\tname\tpath\tweight\na\tb\ta.bed\t1x\n", {":2:", "'1x'"}},
      {"cell\tname\tpath\na\tb\tbeds\n", {":2:", "folder", "beds", "*.bed.gz"}},
      {"cell\tname\tpath\na\tb\tbeds/sub*\n", {":2:", "folder", "subfolder"}},
      {"cell\tname\tpath\na\tb\tbed*/a.bed\n", {":2:", "folder"}},
      {"cell\tname\tpath\na\t\ta.bed\n\na\t\ta.bed\n", {":4:", "'a'", "line 2"}},
      {"cell\tname\tpath\na\tcaf\xe9\ta.bed\n", {":2:", "UTF-8"}},
  };
  const InputFolder folder;
  (void)folder.write("a.bed", "x");
  (void)folder.write("beds/subfolder/a.bed", "x");
  for (const BadSheet& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.tsv", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read_sheet(path); });
  }
}

TEST(Sheet_errors, AbsentSegmentation_namesTheSheetsLine) {
  const InputFolder folder;
  const auto path = folder.write("s.tsv", "cell\tname\tpath\na\t\tno.bed\n");
  expect_error(core::ErrorKind::missing, {path.string() + ":2:", "no.bed", "'a'"},
               [&] { (void)read_sheet(path); });
}

}  // namespace
}  // namespace epi::data
