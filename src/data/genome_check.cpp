// See the header.
#include "data/genome_check.hpp"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/error.hpp"

namespace epi::data {
namespace {

/// Per contig its entries in the list: more than one when aliases make two of them the same.
std::vector<std::vector<const ContigSize*>> entries_of(std::span<const Contig> contigs,
                                                       const ContigNames& names,
                                                       std::span<const ContigSize> sizes) {
  std::vector<std::vector<const ContigSize*>> entries(contigs.size());
  for (const ContigSize& size : sizes) {
    if (const auto contig = names.find(size.name)) {
      entries[static_cast<std::size_t>(*contig)].push_back(&size);
    }
  }
  return entries;
}

std::string advice(std::span<const Contig> contigs, std::span<const ContigSize> sizes) {
  std::vector<std::string> listed;
  for (const ContigSize& size : sizes) listed.push_back(size.name);
  const std::string aliases = alias_advice(listed, contigs);
  return aliases.empty() ? "is it the list of this assembly?" : aliases;
}

}  // namespace

void check_sizes(std::span<const Contig> contigs, const ContigNames& names,
                 const std::filesystem::path& path, std::span<const ContigSize> sizes) {
  const auto entries = entries_of(contigs, names, sizes);
  std::vector<std::string> wrong;
  bool lacks_some = false;
  for (std::size_t i = 0; i < contigs.size(); ++i) {
    const Contig& contig = contigs[i];
    if (entries[i].empty()) {
      wrong.push_back(fmt::format("{} ({} bp, not listed)", contig.name, contig.length_bp));
      lacks_some = true;
    }
    for (const ContigSize* entry : entries[i]) {
      if (entry->length_bp == contig.length_bp) continue;
      wrong.push_back(fmt::format("{} ({} bp, on line {} {} bp)", contig.name, contig.length_bp,
                                  entry->line, entry->length_bp));
    }
  }
  if (wrong.empty()) return;
  throw core::InputError(fmt::format(
      "--sizes: {}: the genome has other contigs or lengths: {}\n  {}", path.string(),
      list_text(wrong),
      lacks_some ? advice(contigs, sizes) : "is the sequence cut, or of another assembly?"));
}

}  // namespace epi::data
