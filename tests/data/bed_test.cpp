#include "data/formats/bed.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

TEST(Bed_records, HeadersCommentsAndBlanks_areSkipped) {
  const InputFolder folder;
  const auto path = folder.write("r.bed",
                                 "browser position chr1:1-2\r\ntrack name=x\r\n# note\r\n\r\n"
                                 "chr1\t5\t10\textra\r\ntrackless\t0\t3\r\nchr2 7   9\r\n");
  const auto regions = read_regions(path);
  ASSERT_EQ(3U, regions.size());
  EXPECT_EQ("chr1", regions[0].contig);
  EXPECT_EQ((Range{5, 10}), regions[0].range);
  EXPECT_EQ(5, regions[0].line);
  EXPECT_EQ("trackless", regions[1].contig);
  EXPECT_EQ("chr2", regions[2].contig);
  EXPECT_EQ((Range{7, 9}), regions[2].range);
}

TEST(Bed_records, FourthColumn_mayHoldBlanksBetweenTabs) {
  const InputFolder folder;
  TextFile file(folder.write("r.bed", "chr1\t5\t10\t1_Active TSS\t0\n"));
  BedRecord record;
  ASSERT_TRUE(next_record(file, 4, record));
  EXPECT_EQ("1_Active TSS", record.name);
  EXPECT_FALSE(next_record(file, 4, record));
}

struct BadBed {
  const char* text;
  std::vector<std::string> says;
};

TEST(Bed_errors, EveryKindOfDamage_namesFileAndLine) {
  const std::vector<BadBed> cases = {
      {"c\t1\t2\nc\t9\n", {":2:", "2 columns"}},
      {"c\n", {":1:", "1 columns"}},
      {"c\tx\t2\n", {":1:", "start 'x'"}},
      {"c\t1\t2.5\n", {":1:", "end '2.5'"}},
      {"c\t1\t1e3\n", {":1:", "end '1e3'"}},
      {"c\t\t3\n", {":1:", "start ''"}},
      {"c\t1\t99999999999999999999\n", {":1:", "end"}},
      {"c\t-1\t2\n", {":1:", "negative"}},
      {"c\t5\t4\n", {":1:", "start 5", "end 4"}},
      {"c\t5\t5\n", {":1:", "start 5", "end 5"}},
      {"\t1\t2\n", {":1:", "name is empty"}},
  };
  const InputFolder folder;
  for (const BadBed& bad : cases) {
    SCOPED_TRACE(bad.text);
    const auto path = folder.write("bad.bed", bad.text);
    std::vector<std::string> says = bad.says;
    says.push_back(path.string());
    expect_input_error(says, [&] { (void)read_regions(path); });
  }
}

}  // namespace
}  // namespace epi::data
