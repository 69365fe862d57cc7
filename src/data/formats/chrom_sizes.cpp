// See the header.
#include "data/formats/chrom_sizes.hpp"

#include <fmt/format.h>

#include <map>

#include "core/error.hpp"
#include "data/formats/columns.hpp"
#include "data/formats/table.hpp"

namespace epi::data {

std::vector<ContigSize> read_chrom_sizes(const std::filesystem::path& path) {
  TextFile file(path);
  std::vector<ContigSize> sizes;
  std::map<std::string, std::int64_t, std::less<>> lines;
  std::vector<std::string_view> columns;
  for (std::string_view line; next_row(file, line);) {
    split_columns(line, columns);
    if (columns.size() < 2) file.fail("one column; expected a contig's name and its length");
    const std::string name(without_blanks(columns[0]));
    if (name.empty()) file.fail("a length without a contig's name");
    const std::int64_t length_bp = whole_number(file, columns[1], "length", 1);
    const auto [known, is_new] = lines.emplace(name, file.line_number());
    if (!is_new) {
      file.fail(fmt::format("contig '{}' was already on line {}", name, known->second));
    }
    sizes.push_back({name, length_bp, file.line_number()});
  }
  if (sizes.empty()) {
    throw core::InputError(file.name() + ": no contig; expected lines 'NAME LENGTH'");
  }
  return sizes;
}

}  // namespace epi::data
