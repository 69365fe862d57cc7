// Tables of contig names that mean the same sequence: UCSC's chr22, Ensembl's 22, RefSeq's
// NC_000022.10. Nothing is the same unless a table or the user says so.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epi::data {

class AliasTable {
 public:
  /// No two names are the same.
  AliasTable() = default;

  /// Reads lines of tab-separated names, all of one line meaning one contig; lines that start with
  /// '#' are skipped, "-" stands for no name. InputError with file and line: a name in two lines, a
  /// file without names.
  [[nodiscard]] static AliasTable read(const std::filesystem::path& path);
  /// "hg19" or "hg38": UCSC, Ensembl and RefSeq names of the assembly's chromosomes, bundled.
  [[nodiscard]] static std::optional<AliasTable> bundled(std::string_view assembly);

  /// All names of the contig that `name` stands for, itself among them; empty when the table does
  /// not have it.
  [[nodiscard]] const std::vector<std::string>& names_of(std::string_view name) const;

 private:
  void add(std::vector<std::string> names);

  std::vector<std::vector<std::string>> rows_;
  std::map<std::string, std::size_t, std::less<>> row_of_;
};

/// What --alias names: a bundled table, or a file; empty text is the empty table. ConfigError that
/// lists the bundled ones when it is neither.
[[nodiscard]] AliasTable alias_table_of(const std::string& option);

}  // namespace epi::data
