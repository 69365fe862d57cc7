// One real segmentation in every form it could have been published in: Roadmap's mnemonics of E021
// (examples/data/states) rewritten as segments, state numbers, dense BED and one state per line.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "data/formats/bed.hpp"
#include "data/formats/states_file.hpp"
#include "data/text_inputs.hpp"

namespace epi::data {
namespace {

constexpr std::int64_t kBinBp = 200;

struct Row {
  std::string contig, number, label;
  Range range;
};

std::vector<Row> real_rows() {
  TextFile file(EPI_EXAMPLES "/data/states/E021.bed.gz");
  std::vector<Row> rows;
  BedRecord record;
  while (next_record(file, 4, record)) {
    const std::size_t cut = record.name.find('_');
    rows.push_back({std::string(record.contig), std::string(record.name.substr(0, cut)),
                    std::string(record.name.substr(cut + 1)), record.range});
  }
  return rows;
}

std::string as_bed(const std::vector<Row>& rows, const std::function<std::string(const Row&)>& rest,
                   const std::string& end = "\n") {
  std::string text;
  for (const Row& row : rows) {
    text += row.contig + "\t" + std::to_string(row.range.start_bp) + "\t" +
            std::to_string(row.range.end_bp) + "\t" + rest(row) + end;
  }
  return text;
}

std::map<std::string, std::string> as_lines(const std::vector<Row>& rows) {
  std::map<std::string, std::string> texts;
  for (const Row& row : rows) {
    std::string& text = texts[row.contig];
    if (text.empty()) text = "E021\t" + row.contig + "\nMaxState E\n";
    for (std::int64_t at = row.range.start_bp; at < row.range.end_bp; at += kBinBp) {
      text += row.number + "\n";
    }
  }
  return texts;
}

void expect_same(const StateTrack& expected, const StateTrack& found) {
  ASSERT_EQ(expected.contigs.size(), found.contigs.size());
  for (std::size_t c = 0; c < expected.contigs.size(); ++c) {
    EXPECT_EQ(expected.contigs[c].name, found.contigs[c].name);
    const auto& left = expected.contigs[c].intervals;
    const auto& right = found.contigs[c].intervals;
    ASSERT_EQ(left.size(), right.size());
    const auto differ = std::mismatch(left.begin(), left.end(), right.begin(),
                                      [](const StateInterval& a, const StateInterval& b) {
                                        return a.start_bp == b.start_bp && a.end_bp == b.end_bp &&
                                               a.state == b.state;
                                      });
    EXPECT_TRUE(differ.first == left.end()) << "interval " << differ.first - left.begin();
  }
  ASSERT_EQ(expected.states.size(), found.states.size());
  for (std::size_t i = 0; i < found.states.size(); ++i) {
    EXPECT_EQ(expected.states[i].number, found.states[i].number);
  }
  EXPECT_EQ(kBinBp, found.grid.bin_bp);
}

/// What is left of a track when only the states of whole bins are known: neighbours of one state
/// are one run (the file has one such pair), and the contig's end is rounded up to a bin.
StateTrack in_whole_bins(StateTrack track) {
  for (ContigTrack& contig : track.contigs) {
    std::vector<StateInterval> runs;
    for (const StateInterval& interval : contig.intervals) {
      if (!runs.empty() && runs.back().state == interval.state) {
        runs.back().end_bp = interval.end_bp;
      } else {
        runs.push_back(interval);
      }
    }
    runs.back().end_bp = (runs.back().end_bp + kBinBp - 1) / kBinBp * kBinBp;
    contig.intervals = std::move(runs);
  }
  return track;
}

class StateForms : public testing::Test {
 protected:
  StateForms() : rows_(real_rows()) {
    track_ =
        read_states(std::array{std::filesystem::path(EPI_EXAMPLES "/data/states/E021.bed.gz")}, {});
  }
  [[nodiscard]] StateTrack read(const std::string& text) const {
    return read_states(std::array{folder_.write("s.bed", text)}, {});
  }

  InputFolder folder_;
  std::vector<Row> rows_;
  StateTrack track_;
};

TEST_F(StateForms, Mnemonics_haveTheCountsOfTheFile) {
  // zcat E021.bed.gz | cut -f1 | sort | uniq -c
  ASSERT_EQ(2U, track_.contigs.size());
  EXPECT_EQ(17756U, track_.contigs[0].intervals.size());
  EXPECT_EQ(14286U, track_.contigs[1].intervals.size());
  EXPECT_EQ(25U, track_.states.size());
  EXPECT_EQ("Quies", track_.states.back().label);
}

TEST_F(StateForms, SegmentsNumbersAndDense_areTheSameIntervals) {
  expect_same(track_, read(as_bed(rows_, [](const Row& row) { return "E" + row.number; })));
  expect_same(track_, read(as_bed(rows_, [](const Row& row) { return row.number; })));
  const auto dense = [](const Row& row) {
    return row.number + "\t0\t.\t" + std::to_string(row.range.start_bp) + "\t" +
           std::to_string(row.range.end_bp) + "\t255,0,0";
  };
  expect_same(track_, read("track name=\"E021\" visibility=1 itemRgb=\"On\"\r\n" +
                           as_bed(rows_, dense, "\r\n")));
}

TEST_F(StateForms, ShuffledLines_areTheSameIntervals) {
  std::vector<Row> shuffled(rows_.begin() + 1, rows_.end());
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(1));
  shuffled.insert(shuffled.begin(), rows_.front());  // contigs keep their order
  expect_same(track_, read(as_bed(shuffled, [](const Row& row) { return "E" + row.number; })));
}

TEST_F(StateForms, OneStatePerLine_isTheSameIntervals) {
  std::vector<std::filesystem::path> files;
  for (const auto& [contig, text] : as_lines(rows_)) {
    files.push_back(folder_.write(contig + ".txt", text));
  }
  expect_same(in_whole_bins(track_), read_states(files, {}));
}

TEST_F(StateForms, NamesWithoutNumbers_areTheSameIntervals) {
  StatesFormat format;
  for (const NamedState& state : track_.states) {
    format.names.push_back({state.number, state.label, {}});
  }
  const auto path = folder_.write("s.bed", as_bed(rows_, [](const Row& row) { return row.label; }));
  expect_same(track_, read_states(std::array{path}, format));
}

TEST_F(StateForms, CountedFromOne_isRefused) {
  for (Row& row : rows_) ++row.range.start_bp;
  const std::string text = as_bed(rows_, [](const Row& row) { return "E" + row.number; });
  expect_input_error({":1:", "1-based (closed)", "200 bp"}, [&] { (void)read(text); });
}

}  // namespace
}  // namespace epi::data
