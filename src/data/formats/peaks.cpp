// Coordinates are next_record's; what follows them is read here.
#include "data/formats/peaks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "data/formats/bed.hpp"
#include "data/formats/columns.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kBroadColumns = 9;
constexpr std::size_t kNarrowColumns = 10;
constexpr std::size_t kPairColumns = 20;
constexpr std::int64_t kNoSummit = -1;

std::string_view text_of(std::string_view column) {
  return column == "." ? "" : column;
}

/// Values that the formats call absent when they are -1.
std::optional<double> evidence(const TextFile& file, std::string_view text, std::string_view what) {
  const double value = number(file, text, what);
  return value == -1.0 ? std::nullopt : std::optional(value);
}

std::optional<std::int64_t> summit(const TextFile& file, std::string_view text, Range range) {
  const std::int64_t offset = whole_number(file, text, "peak", kNoSummit);
  if (offset == kNoSummit) return std::nullopt;
  const std::int64_t length = range.end_bp - range.start_bp;
  // SPP rounds some summits up to the end: 33 records in 23 of 108 sets of the challenge.
  if (offset == length) return range.end_bp - 1;
  if (offset > length) {
    file.fail(fmt::format(
        "peak {} lies outside of the record, which is {} long; expected a distance from its start",
        offset, length));
  }
  return range.start_bp + offset;
}

/// Whether a column is a coordinate from the record's start to its end.
bool lies_within(std::string_view text, const std::vector<std::string_view>& columns) {
  const auto value = [](std::string_view digits) {
    std::int64_t number = -1;
    if (is_whole_number(digits)) {
      std::from_chars(digits.data(), digits.data() + digits.size(), number);
    }
    return number;
  };
  return value(text) >= value(columns[1]) && value(text) <= value(columns[2]);
}

/// Columns after the third of plain BED may mean anything: what fits is taken.
void read_loosely(const std::vector<std::string_view>& columns, const TextFile& file, Peak& peak) {
  if (columns.size() > 3) peak.name = text_of(columns[3]);
  if (columns.size() > 4 && is_number(columns[4])) peak.score = number(file, columns[4], "score");
  if (columns.size() > 5 && (columns[5] == "+" || columns[5] == "-")) peak.strand = columns[5][0];
}

}  // namespace

std::string_view name_of(PeakForm form) {
  switch (form) {
    case PeakForm::bed:
      return "BED";
    case PeakForm::broad_peak:
      return "broadPeak";
    case PeakForm::narrow_peak:
      return "narrowPeak";
  }
  return "?";
}

PeakForm form_of_peaks(const std::vector<std::string_view>& columns) {
  const std::size_t count = columns.size();
  if (count == kNarrowColumns || count == kPairColumns) return PeakForm::narrow_peak;
  if (count != kBroadColumns) return PeakForm::bed;
  if (!std::all_of(columns.begin() + 6, columns.end(), is_number)) return PeakForm::bed;
  // BED9's seventh and eighth columns are thickStart and thickEnd, its ninth may be 0.
  const bool thick =
      columns[8] == "0" && lies_within(columns[6], columns) && lies_within(columns[7], columns);
  return thick ? PeakForm::bed : PeakForm::broad_peak;
}

bool PeakFile::next(Peak& peak) {
  BedRecord record;
  if (!next_record(file_, 3, record)) return false;
  split_columns(record.line, columns_);
  if (num_columns_ == 0) {
    num_columns_ = columns_.size();
    form_ = form_of_peaks(columns_);
  }
  if (columns_.size() != num_columns_) {
    file_.fail(fmt::format("{} columns; the first record has {}", columns_.size(), num_columns_));
  }
  peak = {};
  peak.contig = record.contig;
  peak.range = record.range;
  peak.line = file_.line_number();
  read_values(peak);
  return true;
}

void PeakFile::read_values(Peak& peak) const {
  if (form_ == PeakForm::bed) return read_loosely(columns_, file_, peak);
  peak.name = text_of(columns_[3]);
  peak.score = number(file_, columns_[4], "score");
  const std::string_view strand = columns_[5];
  if (strand != "+" && strand != "-" && strand != ".") {
    file_.fail(fmt::format("strand '{}'; expected + or - or .", strand));
  }
  peak.strand = strand[0];
  peak.signal = number(file_, columns_[6], "signalValue");
  peak.p_value = evidence(file_, columns_[7], "pValue");
  peak.q_value = evidence(file_, columns_[8], "qValue");
  if (form_ == PeakForm::narrow_peak) peak.summit_bp = summit(file_, columns_[9], peak.range);
}

std::vector<Peak> read_peaks(const std::filesystem::path& path) {
  PeakFile file(path);
  std::vector<Peak> peaks;
  Peak peak;
  while (file.next(peak)) peaks.push_back(peak);
  return peaks;
}

}  // namespace epi::data
