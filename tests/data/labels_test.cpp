// Binding labels: the header tells the cell types, and nothing else is taken for one.
#include "data/formats/labels.hpp"

#include <gtest/gtest.h>

#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

TEST(Labels, Rows_ofTwoCells_areReadAsWritten) {
  const InputFolder folder;
  LabelFile file(folder.write("l.tsv",
                              "chr\tstart\tstop\tH1-hESC\tHepG2\n"
                              "chr10\t600\t800\tU\tB\nchr10\t650\t850\tA\t0\n"));
  EXPECT_EQ(file.cells(), (std::vector<std::string>{"H1-hESC", "HepG2"}));
  LabelRow row;
  ASSERT_TRUE(file.next(row));
  EXPECT_EQ(row.contig, "chr10");
  EXPECT_EQ(row.range, (Range{600, 800}));
  EXPECT_EQ(row.labels, (std::vector<std::string_view>{"U", "B"}));
  ASSERT_TRUE(file.next(row));
  EXPECT_EQ(row.labels, (std::vector<std::string_view>{"A", "0"}));
  EXPECT_FALSE(file.next(row));
}

TEST(Labels, WrongFiles_areErrorsWithFileAndLine) {
  const InputFolder folder;
  const auto refused = [&](const std::string& text, const std::vector<std::string>& parts) {
    const auto path = folder.write("l.tsv", text);
    expect_input_error(parts, [&] {
      LabelFile file(path);
      for (LabelRow row; file.next(row);) {
      }
    });
  };
  refused("", {"l.tsv", "no header"});
  refused("chr1\t0\t200\tU\n", {"l.tsv:1", "no header"});
  refused("chr\tstart\tstop\n", {"l.tsv:1", "no cell type"});
  refused("chr\tstart\tstop\tA549\tA549\n", {"l.tsv:1", "'A549' is there twice"});
  refused("chr\tstart\tstop\tA549\t\n", {"l.tsv:1", "no name"});
  refused("chr\tstart\tstop\tA549\nc\t0\t200\tU\tB\n", {"l.tsv:2", "5 columns; the header has 4"});
  refused("chr\tstart\tstop\tA549\nc\t0\t200\tX\n", {"l.tsv:2", "label 'X'"});
  refused("chr\tstart\tstop\tA549\nc\t200\t0\tU\n", {"l.tsv:2", "start 200"});
}

}  // namespace
}  // namespace epi::data
