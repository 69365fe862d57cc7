// A BED file with a header: coordinates are next_record's.
#include "data/formats/labels.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/formats/columns.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kPlaceColumns = 3;

bool is_label(std::string_view text) {
  return text == "U" || text == "A" || text == "B" || is_number(text);
}

}  // namespace

bool is_label_header(const std::vector<std::string_view>& columns) {
  return columns.size() >= kPlaceColumns && (columns[0] == "chr" || columns[0] == "chrom") &&
         columns[1] == "start" && (columns[2] == "stop" || columns[2] == "end");
}

LabelFile::LabelFile(const std::filesystem::path& path) : file_(path) {
  std::string_view line;
  const bool any = file_.next_line(line);
  split_columns(any ? line : std::string_view(), columns_);
  if (!is_label_header(columns_)) file_.fail("no header; expected chr start stop CELL...");
  cells_.assign(columns_.begin() + kPlaceColumns, columns_.end());
  if (cells_.empty()) file_.fail("the header names no cell type");
  for (auto cell = cells_.begin(); cell != cells_.end(); ++cell) {
    if (cell->empty() || !is_plain_text(*cell)) file_.fail("a cell type has no name");
    if (std::find(cells_.begin(), cell, *cell) != cell) {
      file_.fail(fmt::format("cell type '{}' is there twice", *cell));
    }
  }
}

bool LabelFile::next(LabelRow& row) {
  BedRecord record;
  if (!next_record(file_, kPlaceColumns, record)) return false;
  split_columns(record.line, columns_);
  if (columns_.size() != kPlaceColumns + cells_.size()) {
    file_.fail(fmt::format("{} columns; the header has {}", columns_.size(),
                           kPlaceColumns + cells_.size()));
  }
  row.contig = record.contig;
  row.range = record.range;
  row.labels.assign(columns_.begin() + kPlaceColumns, columns_.end());
  const auto bad = std::find_if_not(row.labels.begin(), row.labels.end(), is_label);
  if (bad != row.labels.end()) {
    file_.fail(fmt::format("label '{}'; expected U, A, B or a number", *bad));
  }
  return true;
}

}  // namespace epi::data
