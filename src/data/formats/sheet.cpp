// See the grammar in sheet.hpp. Everything is checked here, on every process, before any work.
#include "data/formats/sheet.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "data/formats/text_file.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

constexpr std::array<std::string_view, 3> kColumns = {"cell", "name", "path"};
using Places = std::array<std::size_t, kColumns.size()>;  // column -> its place in a line

/// Blanks around a field are a spreadsheet's, not the user's.
std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t end = line.find('\t');
    fields.push_back(trimmed(line.substr(0, end)));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

/// The next line that holds something; drops the byte order mark that spreadsheets write.
bool next_row(TextFile& file, std::string_view& line) {
  while (file.next_line(line)) {
    if (file.line_number() == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.find_first_not_of(" \t") == std::string_view::npos || line[0] == '#') continue;
    if (!is_plain_text(line)) file.fail("not UTF-8 text; save the sheet as UTF-8");
    return true;
  }
  return false;
}

/// Unknown columns are refused: a misspelt one would silently mean nothing.
Places read_header(const TextFile& file, std::string_view line) {
  std::array<std::optional<std::size_t>, kColumns.size()> found;
  const auto fields = fields_of(line);
  for (std::size_t place = 0; place < fields.size(); ++place) {
    std::size_t column = 0;
    while (column < kColumns.size() && kColumns.at(column) != fields[place]) ++column;
    if (column == kColumns.size()) {
      file.fail(
          fmt::format("unknown column '{}'; expected a header of the columns {}, tab separated",
                      fields[place], fmt::join(kColumns, ", ")));
    }
    if (found.at(column)) file.fail(fmt::format("column '{}' is there twice", fields[place]));
    found.at(column) = place;
  }
  Places places{};
  for (std::size_t column = 0; column < kColumns.size(); ++column) {
    if (!found.at(column)) file.fail(fmt::format("column '{}' is missing", kColumns.at(column)));
    places.at(column) = *found.at(column);
  }
  return places;
}

SheetRow read_row(const TextFile& file, std::string_view line, const Places& places,
                  const std::filesystem::path& folder) {
  const auto fields = fields_of(line);
  if (fields.size() != kColumns.size()) {
    file.fail(fmt::format("{} columns; the header has {}, separated by tabs", fields.size(),
                          kColumns.size()));
  }
  const auto [cell, name, source] =
      std::array{fields[places[0]], fields[places[1]], fields[places[2]]};
  if (cell.empty() || cell.find_first_of(", ") != std::string_view::npos) {
    file.fail(fmt::format("cell '{}' is no id; expected text without blanks and commas", cell));
  }
  if (source.empty()) file.fail(fmt::format("cell '{}' has no path", cell));
  SheetRow row{std::string(cell),
               std::string(name.empty() ? cell : name),
               std::string(source),
               {folder / std::filesystem::path(source)},
               {},
               1.0,
               file.line_number()};
  if (!std::filesystem::is_regular_file(status_of(row.paths[0]))) {
    throw core::MissingError(
        fmt::format("{}:{}: no file '{}' for cell '{}'; paths are relative to the sheet's folder",
                    file.name(), row.line, row.paths[0].string(), cell));
  }
  return row;
}

}  // namespace

std::vector<SheetRow> read_sheet(const std::filesystem::path& path) {
  TextFile file(path);
  std::string_view line;
  if (!next_row(file, line)) throw core::InputError(file.name() + ": the sheet is empty");
  const Places places = read_header(file, line);
  std::vector<SheetRow> rows;
  std::map<std::string, std::int64_t> lines;
  while (next_row(file, line)) {
    rows.push_back(read_row(file, line, places, path.parent_path()));
    const auto [known, is_new] = lines.emplace(rows.back().cell, rows.back().line);
    if (!is_new) {
      file.fail(fmt::format("cell '{}' was already on line {}", rows.back().cell, known->second));
    }
  }
  if (rows.empty()) throw core::InputError(file.name() + ": the sheet has a header but no cells");
  return rows;
}

}  // namespace epi::data
