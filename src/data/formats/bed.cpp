// One line at a time, columns as views into it: nothing is copied until a record is kept.
#include "data/formats/bed.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kColumns = 4;
/// Far above any chromosome, far below what sums and roundings of coordinates overflow at.
constexpr std::int64_t kFarthestBp = std::int64_t{1} << 40;

/// Whole words only: a contig may be called "tracked1".
bool starts_with_word(std::string_view line, std::string_view word) {
  return line.starts_with(word) &&
         (line.size() == word.size() || line[word.size()] == ' ' || line[word.size()] == '\t');
}

/// Splits off up to four columns and returns how many there are.
int split(std::string_view line, std::array<std::string_view, kColumns>& columns) {
  const bool tabs = line.find('\t') != std::string_view::npos;
  const char separator = tabs ? '\t' : ' ';
  std::size_t count = 0;
  while (count < kColumns) {
    // Between tabs a column may hold blanks or be empty; runs of blanks separate once.
    if (!tabs) line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (line.empty()) break;
    const std::size_t end = std::min(line.find(separator), line.size());
    columns[count++] = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return static_cast<int>(count);
}

/// A coordinate: digits only, to the last character; "1e3" and "12.0" are not read as 1 and 12.
std::int64_t coordinate(const TextFile& file, std::string_view text, std::string_view which) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) {
    file.fail(fmt::format("{} '{}' is not a whole number", which, text));
  }
  if (value < 0) file.fail(fmt::format("{} {} is negative", which, value));
  if (value > kFarthestBp) {
    file.fail(
        fmt::format("{} {} is above {}, the highest base there can be", which, value, kFarthestBp));
  }
  return value;
}

}  // namespace

bool holds_record(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos || line[first] == '#') return false;
  return !starts_with_word(line, "track") && !starts_with_word(line, "browser");
}

bool next_record(TextFile& file, int min_columns, BedRecord& record) {
  std::string_view line;
  do {
    if (!file.next_line(line)) return false;
  } while (!holds_record(line));
  std::array<std::string_view, kColumns> columns;
  const int count = split(line, columns);
  if (count < min_columns) {
    file.fail(fmt::format("{} columns; expected at least {}: contig, start, end{}", count,
                          min_columns, min_columns > 3 ? ", state" : ""));
  }
  if (columns[0].empty()) file.fail("the contig's name is empty");
  const Range range{coordinate(file, columns[1], "start"), coordinate(file, columns[2], "end")};
  if (range.start_bp >= range.end_bp) {
    file.fail(fmt::format("start {} is not below end {}; expected a half-open interval",
                          range.start_bp, range.end_bp));
  }
  record = {columns[0], range, columns[3], line};
  return true;
}

std::vector<Region> read_regions(const std::filesystem::path& path) {
  TextFile file(path);
  std::vector<Region> regions;
  BedRecord record;
  while (next_record(file, 3, record)) {
    regions.push_back({std::string(record.contig), record.range, file.line_number()});
  }
  return regions;
}

}  // namespace epi::data
