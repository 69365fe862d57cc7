// One line at a time, columns as views into it: nothing is copied until a record is kept. Lines as
// programs write them take one pass (read_plain); all others, and all errors, the careful path.
#include "data/formats/bed.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kColumns = 4;

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
std::int64_t coordinate(const LinePlace& place, std::string_view text, std::string_view which) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) {
    place.fail(fmt::format(
        "{} '{}' is not a whole number{}", which, text,
        text.find(' ') != std::string_view::npos ? "; the line mixes tabs and blanks" : ""));
  }
  if (value < 0) place.fail(fmt::format("{} {} is negative", which, value));
  if (value > kFarthestBp) {
    place.fail(
        fmt::format("{} {} is above {}, the highest base there can be", which, value, kFarthestBp));
  }
  return value;
}

[[noreturn]] void fail_columns(std::string_view line, const LinePlace& place, int count,
                               int min_columns) {
  const bool mixed =
      line.find('\t') != std::string_view::npos && line.find(' ') != std::string_view::npos;
  place.fail(fmt::format("{} columns; expected at least {}: contig, start, end{}{}", count,
                         min_columns, min_columns > 3 ? ", state" : "",
                         mixed ? "; the line mixes tabs and blanks" : ""));
}

/// Digits up to a tab or the line's end; moves `at` there. Negative: anything else.
std::int64_t plain_number(const char*& at, const char* last) {
  constexpr std::ptrdiff_t kMostDigits = 12;  // below kFarthestBp
  const char* const first = at;
  std::int64_t value = 0;
  while (at != last && *at >= '0' && *at <= '9' && at - first < kMostDigits) {
    value = value * 10 + (*at++ - '0');
  }
  return at == first || (at != last && *at != '\t') ? -1 : value;
}

/// A tab separated line that needs no second look; false: see the careful path.
bool read_plain(std::string_view line, int min_columns, BedRecord& record) {
  const char* at = line.data();
  const char* const last = at + line.size();
  // '#', blanks, and what may begin "track" and "browser".
  if (at == last || *at <= '#' || *at == 't' || *at == 'b' || last[-1] == ' ') return false;
  while (at != last && *at != '\t') ++at;
  record.contig = {line.data(), static_cast<std::size_t>(at - line.data())};
  if (at == last) return false;
  record.range.start_bp = plain_number(++at, last);
  if (record.range.start_bp < 0 || at == last) return false;
  record.range.end_bp = plain_number(++at, last);
  if (record.range.end_bp <= record.range.start_bp) return false;
  record.name = {};
  if (at != last) {
    const char* const first = ++at;
    while (at != last && *at != '\t') ++at;
    record.name = {first, static_cast<std::size_t>(at - first)};
  }
  record.line = line;
  return min_columns == 3 || !record.name.empty();
}

}  // namespace

void LinePlace::fail(std::string_view what) const {
  throw core::InputError(fmt::format("{}:{}: {}", file, number, what));
}

bool holds_record(std::string_view line) {
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos || line[first] == '#') return false;
  return !starts_with_word(line, "track") && !starts_with_word(line, "browser");
}

bool parse_record(std::string_view line, const LinePlace& place, int min_columns,
                  BedRecord& record) {
  if (read_plain(line, min_columns, record)) return true;
  if (!holds_record(line)) return false;
  line = line.substr(0, line.find_last_not_of(' ') + 1);
  std::array<std::string_view, kColumns> columns;
  const int count = split(line, columns);
  if (count < min_columns) fail_columns(line, place, count, min_columns);
  if (columns[0].empty()) place.fail("the contig's name is empty");
  const Range range{coordinate(place, columns[1], "start"), coordinate(place, columns[2], "end")};
  if (range.start_bp >= range.end_bp) {
    place.fail(fmt::format("start {} is not below end {}; expected a half-open interval",
                           range.start_bp, range.end_bp));
  }
  record = {columns[0], range, columns[3], line};
  return true;
}

bool next_record(TextFile& file, int min_columns, BedRecord& record) {
  std::string_view line;
  while (file.next_line(line)) {
    if (parse_record(line, {file.name(), file.line_number()}, min_columns, record)) return true;
  }
  return false;
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
