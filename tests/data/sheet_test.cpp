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
      {"cell\tname\tpath\na\tb\t\n", {":2:", "no path"}},
      {"cell\tname\tpath\na\t\ta.bed\n\na\t\ta.bed\n", {":4:", "'a'", "line 2"}},
      {"cell\tname\tpath\na\tcaf\xe9\ta.bed\n", {":2:", "UTF-8"}},
  };
  const InputFolder folder;
  (void)folder.write("a.bed", "x");
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
