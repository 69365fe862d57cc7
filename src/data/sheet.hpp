// The sample sheet: which cell types there are and where their segmentations lie.
//
//   sheet := header row*            tab separated; empty lines and lines starting with '#' are
//   skipped header := "cell" "name" "path"  in any order cell: id used in --valid-cells, unique,
//   without blanks and commas   name: any text, may be empty path: the segmentation, relative to
//   the sheet's own folder
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace epi::data {

struct SheetRow {
  std::string cell;
  std::string name;            ///< the cell's id when the sheet leaves it empty
  std::string source;          ///< path as written in the sheet
  std::filesystem::path path;  ///< path to open
  std::int64_t line = 0;
};

/// Reads the sheet and checks that each path is a file. InputError with file and line: unknown,
/// missing or repeated columns, rows of another width, bad or repeated cells; MissingError for a
/// segmentation that isn't there.
[[nodiscard]] std::vector<SheetRow> read_sheet(const std::filesystem::path& path);

}  // namespace epi::data
