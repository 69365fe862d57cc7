// Binding labels as the ENCODE-DREAM challenge publishes them: regions, and for each cell type
// whether a factor binds there.
//
//   file   := header row*                     separated by tabs or blanks
//   header := "chr" "start" "stop" CELL...    "chrom" and "end" are fine too
//   row    := contig start end LABEL...       U unbound, A ambiguous, B bound, or a number
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/bed.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {

/// Whether a file's first line with these columns is such a header.
[[nodiscard]] bool is_label_header(const std::vector<std::string_view>& columns);

/// One row; views are valid until the next.
struct LabelRow {
  std::string_view contig;
  Range range;
  std::vector<std::string_view> labels;  ///< one per cell type
};

class LabelFile {
 public:
  /// Reads the header. InputError with file and line: no such header, no cell type, a cell type
  /// twice or without a name.
  explicit LabelFile(const std::filesystem::path& path);

  /// Names of the label columns.
  [[nodiscard]] const std::vector<std::string>& cells() const { return cells_; }

  /// The next row; false at the end. InputError with file and line: see next_record; another number
  /// of columns than the header has; a label that is none.
  [[nodiscard]] bool next(LabelRow& row);

 private:
  TextFile file_;
  std::vector<std::string> cells_;
  std::vector<std::string_view> columns_;
};

}  // namespace epi::data
