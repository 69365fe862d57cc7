// See the header. Bundled tables are the names in the table of known assemblies.
#include "data/aliases.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.hpp"
#include "data/assembly.hpp"
#include "data/formats/table.hpp"

namespace epi::data {
namespace {

constexpr std::string_view kNoName = "-";

}  // namespace

AliasTable AliasTable::read(const std::filesystem::path& path) {
  TextFile file(path);
  AliasTable table;
  std::map<std::string, std::int64_t, std::less<>> lines;
  for (std::string_view line; next_row(file, line);) {
    std::vector<std::string> names;
    for (const std::string_view field : fields_of(line)) {
      if (field.empty() || field == kNoName) continue;
      // A name may stand twice in its own line: UCSC's and Ensembl's are often alike.
      if (std::find(names.begin(), names.end(), field) != names.end()) continue;
      const auto [known, is_new] = lines.emplace(field, file.line_number());
      if (!is_new) {
        file.fail(fmt::format("'{}' was already on line {}; a name belongs to one contig", field,
                              known->second));
      }
      names.emplace_back(field);
    }
    if (!names.empty()) table.add(std::move(names));
  }
  if (table.rows_.empty()) {
    throw core::InputError(file.name() +
                           ": no names; expected lines of tab-separated names of one contig");
  }
  return table;
}

std::optional<AliasTable> AliasTable::bundled(std::string_view assembly) {
  AliasTable table;
  for (const KnownContig& contig : known_contigs()) {
    if (contig.assembly == assembly) table.add(names_in_use(contig));
  }
  if (table.rows_.empty()) return std::nullopt;
  return table;
}

void AliasTable::add(std::vector<std::string> names) {
  for (const std::string& name : names) row_of_.emplace(name, rows_.size());
  rows_.push_back(std::move(names));
}

const std::vector<std::string>& AliasTable::names_of(std::string_view name) const {
  static const std::vector<std::string> none;
  const auto row = row_of_.find(name);
  return row == row_of_.end() ? none : rows_[row->second];
}

AliasTable alias_table_of(const std::string& option) {
  if (option.empty()) return {};
  if (auto table = AliasTable::bundled(option)) return *std::move(table);
  std::error_code ignored;
  if (!std::filesystem::exists(option, ignored)) {
    throw core::ConfigError(
        fmt::format("--alias {}: neither a file nor one of the bundled tables: {}", option,
                    fmt::join(known_assemblies(), ", ")));
  }
  return AliasTable::read(option);
}

}  // namespace epi::data
