// See the grammar in sheet.hpp. Everything is checked here, on every process, before any work.
#include "data/formats/sheet.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "data/formats/table.hpp"
#include "data/path_status.hpp"

namespace epi::data {
namespace {

constexpr std::array<std::string_view, 5> kColumns = {"cell", "name", "path", "group", "weight"};
constexpr std::size_t kNeeded = 3;                                       // the others may be absent
using Places = std::array<std::optional<std::size_t>, kColumns.size()>;  // column -> its place

/// Unknown columns are refused: a misspelt one would silently mean nothing.
Places read_header(const TextFile& file, std::string_view line) {
  Places places;
  const auto fields = fields_of(line);
  for (std::size_t place = 0; place < fields.size(); ++place) {
    std::size_t column = 0;
    while (column < kColumns.size() && kColumns.at(column) != fields[place]) ++column;
    if (column == kColumns.size()) {
      file.fail(
          fmt::format("unknown column '{}'; expected a header of the columns {}, tab separated",
                      fields[place], fmt::join(kColumns, ", ")));
    }
    if (places.at(column)) file.fail(fmt::format("column '{}' is there twice", fields[place]));
    places.at(column) = place;
  }
  for (std::size_t column = 0; column < kNeeded; ++column) {
    if (!places.at(column)) file.fail(fmt::format("column '{}' is missing", kColumns.at(column)));
  }
  return places;
}

double weight_in(const TextFile& file, std::string_view text) {
  if (text.empty()) return 1.0;
  double weight = 0.0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), weight);
  const bool whole = problem == std::errc() && end == text.data() + text.size();
  if (whole && weight > 0.0 && std::isfinite(weight)) return weight;
  file.fail(fmt::format("weight '{}' is no positive number", text));
}

/// '*' stands for any text, also none. Each star takes as little as the next piece allows: the
/// first place where a piece fits is never worse than a later one.
bool matches(std::string_view name, std::string_view pattern) {
  std::size_t star = pattern.find('*');
  if (!name.starts_with(pattern.substr(0, star))) return false;
  name.remove_prefix(std::min(star, name.size()));
  while (star != std::string_view::npos) {
    pattern.remove_prefix(star + 1);
    star = pattern.find('*');
    const std::string_view piece = pattern.substr(0, star);
    if (star == std::string_view::npos) return name.ends_with(piece);
    const std::size_t at = name.find(piece);
    if (at == std::string_view::npos) return false;
    name.remove_prefix(at + piece.size());
  }
  return name.empty();
}

/// Files whose names match, sorted. Hidden ones only when the pattern names them, as in a shell:
/// unpacking an archive of another system leaves "._chr1.bed" beside "chr1.bed".
std::vector<std::filesystem::path> files_like(const TextFile& file,
                                              const std::filesystem::path& pattern) {
  const std::filesystem::path folder = pattern.parent_path();
  if (folder.string().find('*') != std::string::npos) {
    file.fail(fmt::format("'{}': '*' may stand in the name of the file only, not in its folder's",
                          pattern.string()));
  }
  const std::string like = pattern.filename().string();
  std::vector<std::filesystem::path> found;
  std::error_code problem;
  for (std::filesystem::directory_iterator at(folder.empty() ? "." : folder, problem), end;
       !problem && at != end; at.increment(problem)) {
    const std::string name = at->path().filename().string();
    if ((name[0] == '.' && like[0] != '.') || !matches(name, like)) continue;
    found.push_back(folder / name);
  }
  if (found.empty()) {
    throw core::MissingError(
        fmt::format("{}:{}: no file is like '{}'{}{}; paths are relative to the sheet's folder",
                    file.name(), file.line_number(), pattern.string(), problem ? ": " : "",
                    problem ? problem.message() : ""));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void check_file(const TextFile& file, const std::filesystem::path& path, const std::string& cell) {
  const auto status = status_of(path);
  if (std::filesystem::is_directory(status)) {
    file.fail(
        fmt::format("'{}' for cell '{}' is a folder; expected a file, or a pattern such as "
                    "'{}/*.bed.gz'",
                    path.string(), cell, path.string()));
  }
  if (!std::filesystem::exists(status)) {
    throw core::MissingError(
        fmt::format("{}:{}: no file '{}' for cell '{}'; paths are relative to the sheet's folder",
                    file.name(), file.line_number(), path.string(), cell));
  }
  if (!std::filesystem::is_regular_file(status)) {
    file.fail(fmt::format("'{}' for cell '{}' is no regular file", path.string(), cell));
  }
}

std::vector<std::filesystem::path> paths_of(const TextFile& file, const SheetRow& row,
                                            const std::filesystem::path& folder) {
  if (row.source.empty()) return {};
  const std::filesystem::path path = folder / row.source;
  auto paths =
      row.source.find('*') == std::string::npos ? std::vector{path} : files_like(file, path);
  for (const std::filesystem::path& one : paths) check_file(file, one, row.cell);
  return paths;
}

SheetRow read_row(const TextFile& file, std::string_view line, const Places& places,
                  std::size_t width, const std::filesystem::path& folder) {
  const auto fields = fields_of(line);
  if (fields.size() != width) {
    file.fail(
        fmt::format("{} columns; the header has {}, separated by tabs", fields.size(), width));
  }
  const auto in = [&](std::size_t column) {
    return places.at(column) ? fields[*places.at(column)] : std::string_view();
  };
  const std::string_view cell = in(0);
  if (cell.empty() || cell.find_first_of(", ") != std::string_view::npos) {
    file.fail(fmt::format("cell '{}' is no id; expected text without blanks and commas", cell));
  }
  SheetRow row;
  row.cell = cell;
  row.name = in(1).empty() ? cell : in(1);
  row.source = in(2);
  row.group = in(3);
  row.weight = weight_in(file, in(4));
  row.line = file.line_number();
  row.paths = paths_of(file, row, folder);
  return row;
}

}  // namespace

std::vector<SheetRow> read_sheet(const std::filesystem::path& path) {
  TextFile file(path);
  std::string_view line;
  if (!next_row(file, line)) throw core::InputError(file.name() + ": the sheet is empty");
  const Places places = read_header(file, line);
  const std::size_t width = fields_of(line).size();
  std::vector<SheetRow> rows;
  std::map<std::string, std::int64_t> lines;
  while (next_row(file, line)) {
    rows.push_back(read_row(file, line, places, width, path.parent_path()));
    const auto [known, is_new] = lines.emplace(rows.back().cell, rows.back().line);
    if (!is_new) {
      file.fail(fmt::format("cell '{}' was already on line {}", rows.back().cell, known->second));
    }
  }
  if (rows.empty()) throw core::InputError(file.name() + ": the sheet has a header but no cells");
  return rows;
}

}  // namespace epi::data
