// What every BED reader shares: which lines hold records, how they split into columns and what a
// valid pair of coordinates is. And plain lists of regions: held-out regions, blacklists.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/text_file.hpp"
#include "data/ranges.hpp"

namespace epi::data {

/// The first columns of one record. Views are valid until the file's next line.
struct BedRecord {
  std::string_view contig;
  Range range;
  std::string_view name;  ///< fourth column, empty when the line has only three
  std::string_view line;  ///< all of it, for what lies behind
};

/// Where a line stands: in a text, or as a record of a bigBed, whose records count from 1.
struct LinePlace {
  std::string_view file;
  std::int64_t number = 0;

  /// Throws InputError "FILE:NUMBER: what".
  [[noreturn]] void fail(std::string_view what) const;
};

/// Whether a line of BED or GTF holds a record: it is not empty, no comment (`#`) and no `track` or
/// `browser` line.
[[nodiscard]] bool holds_record(std::string_view line);

/// Reads a line; false when it holds no record. Columns are separated by tabs, or by blanks in a
/// line without tabs; blanks at the line's end are ignored. InputError with file and line: fewer
/// than `min_columns` (3 or 4) columns, coordinates that are not whole numbers, negative, empty or
/// inverted.
[[nodiscard]] bool parse_record(std::string_view line, const LinePlace& place, int min_columns,
                                BedRecord& record);

/// The next record of a BED file; false at the end. Errors: see parse_record.
[[nodiscard]] bool next_record(TextFile& file, int min_columns, BedRecord& record);

/// One line of a list of regions.
struct Region {
  std::string contig;
  Range range;
  std::int64_t line = 0;
};

/// All records of a BED file with three or more columns, in file order.
[[nodiscard]] std::vector<Region> read_regions(const std::filesystem::path& path);

}  // namespace epi::data
