// What a user's file holds, and whether it fits a store: the look before `prepare`. Every record is
// read by the reader that `prepare` or a later step would use, so the first thing that these would
// refuse is found here, too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/contig_names.hpp"
#include "data/file_kind.hpp"
#include "data/formats/variants.hpp"
#include "data/store.hpp"

namespace epi::data {

/// One contig of the file.
struct FileContig {
  std::string name;
  std::int64_t records = 0;
  std::int64_t start_bp = -1;            ///< of the first base that a record covers; -1: none does
  std::int64_t end_bp = 0;               ///< behind the last one
  std::int64_t length_bp = 0;            ///< where the file tells it; else 0
  std::int64_t past_end = 0;             ///< records that reach past the contig's end in the store
  std::optional<std::int32_t> in_store;  ///< index of the store's contig
  std::string note;                      ///< how sequence or length compare with the store's
};

/// One state of a segmentation.
struct FileState {
  std::int32_t number = 0;
  std::string label;
  std::int64_t intervals = 0;
  std::int64_t bases = 0;
};

struct FileReport {
  std::string path;
  FileKind kind = FileKind::bed;
  std::string detail;  ///< "states written like 1_TssA"; may be empty
  std::int64_t records = 0;
  std::vector<FileContig> contigs;
  std::vector<FileState> states;
  std::int64_t bin_bp = 0;         ///< of segmentations, else 0
  std::string assembly;            ///< as sequences or lengths tell; empty: not known
  std::vector<std::string> facts;  ///< further lines
  std::optional<RefCounts> refs;   ///< of variants, with a store
  std::string store_digest;        ///< empty: not compared
};

/// A store to compare with, and how its contigs may be called.
struct FileComparison {
  const Store* store = nullptr;  ///< must outlive the call
  ChrPrefix prefix = ChrPrefix::matters;
  AliasTable aliases;
};

/// Reads the whole file. One state per line says no bin: it is `line_bin_bp`, or, where that is 0,
/// the store's, or ChromHMM's 200 bp. Errors are its reader's: file, line, found, expected.
[[nodiscard]] FileReport inspect_file(const std::filesystem::path& path, FileKind kind,
                                      const std::optional<FileComparison>& comparison,
                                      std::int64_t line_bin_bp = 0);

/// The report as lines of text.
[[nodiscard]] std::vector<std::string> describe(const FileReport& report);

}  // namespace epi::data
