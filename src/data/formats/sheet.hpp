// The sample sheet: which cell types there are and where their segmentations lie.
//
//   sheet  := header row*    tab separated; empty lines and lines starting with '#' are skipped
//   header := "cell" "name" "path" ["group"] ["weight"]    in any order
//   cell      id used in --valid-cells, unique, without blanks and commas
//   name      any text, may be empty
//   path      the segmentation, relative to the sheet's own folder; '*' stands for any part of the
//             file's name (one file per chromosome), not of its folder's and not for a leading dot;
//             empty: no epigenome, every state is missing
//   group     any text: a tissue, say
//   weight    how often the cell type is shown, relative to the others; 1 when empty
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace epi::data {

struct SheetRow {
  std::string cell;
  std::string name;                          ///< the cell's id when the sheet leaves it empty
  std::string source;                        ///< path as written in the sheet
  std::vector<std::filesystem::path> paths;  ///< files to open, sorted; none: no epigenome
  std::string group;
  double weight = 1.0;
  std::int64_t line = 0;

  /// One of the files, for messages.
  [[nodiscard]] std::string file(std::size_t index) const { return paths.at(index).string(); }
};

/// Reads the sheet and checks that each path is a file, each pattern names some. InputError with
/// file and line: unknown, missing or repeated columns, rows of another width, bad or repeated
/// cells, weights that are no positive number, a folder as path; MissingError for a segmentation
/// that isn't there.
[[nodiscard]] std::vector<SheetRow> read_sheet(const std::filesystem::path& path);

}  // namespace epi::data
