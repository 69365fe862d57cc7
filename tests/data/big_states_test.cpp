// Segmentations as bigBed: one of Roadmap's, once as its BED and once as a bigBed of the same
// lines.
#include <gtest/gtest.h>

#include <string>

#include "data/big_inputs.hpp"
#include "data/formats/states_file.hpp"
#include "data/formats/text_file.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

/// The lines of chr20, of which the bigBed was made.
std::string lines_of_chr20() {
  TextFile file(std::filesystem::path(EPI_SOURCE_DIR) / "examples/data/states/E044.bed.gz");
  std::string lines;
  std::string_view line;
  while (file.next_line(line)) {
    if (line.substr(0, 6) == "chr20\t") lines.append(line).append("\n");
  }
  return lines;
}

StateTrack states_of(const std::filesystem::path& path) {
  StatesFormat format;
  format.big = this_build();
  const std::vector<std::filesystem::path> files = {path};
  return read_states(files, format);
}

TEST(Big_states, trackOfABigBed_isThatOfItsBed) {
  const InputFolder folder;
  const StateTrack big = states_of(bundled("E044_chr20.bb"));
  const StateTrack bed = states_of(folder.write("chr20.bed", lines_of_chr20()));
  ASSERT_EQ(big.contigs.size(), 1U);
  EXPECT_EQ(big.contigs[0].name, "chr20");
  ASSERT_EQ(big.contigs[0].intervals.size(), 15814U);
  ASSERT_EQ(bed.contigs.at(0).intervals.size(), 15814U);
  for (std::size_t i = 0; i < 15814; ++i) {
    const StateInterval& ours = big.contigs[0].intervals[i];
    const StateInterval& theirs = bed.contigs[0].intervals[i];
    ASSERT_EQ(ours.start_bp, theirs.start_bp) << i;
    ASSERT_EQ(ours.end_bp, theirs.end_bp) << i;
    ASSERT_EQ(ours.state, theirs.state) << i;
  }
  EXPECT_EQ(big.grid.bin_bp, 200);
  ASSERT_EQ(big.states.size(), bed.states.size());
  for (std::size_t i = 0; i < big.states.size(); ++i) {
    EXPECT_EQ(big.states[i].number, bed.states[i].number);
    EXPECT_EQ(big.states[i].label, bed.states[i].label);
  }
}

// Colours as names, and no states.
TEST(Big_states, bigBedWithoutStates_isRefusedWithItsRecord) {
  expect_input_error({"itemRgb.bb"}, [] { (void)states_of(bundled("itemRgb.bb")); });
  expect_input_error({"test.bw", "bigWig"}, [] { (void)states_of(bundled("test.bw")); });
}

// Without the program beside ours, the message says what is missing and where it was looked for.
TEST(Big_states, childThatIsNotInstalled_isNamed) {
  const auto path = bundled("E044_chr20.bb");
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  expect_error(core::ErrorKind::missing,
               {(here / "epitrain-bigfile").string(), "install it beside epitrain"},
               [&] { (void)BigFile(path, BigFileLimits{}); });
}

}  // namespace
}  // namespace epi::data
