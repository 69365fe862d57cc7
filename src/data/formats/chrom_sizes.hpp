// chrom.sizes: what an assembly's contigs are called and how long they are, as UCSC publishes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace epi::data {

struct ContigSize {
  std::string name;
  std::int64_t length_bp = 0;
  std::int64_t line = 0;
};

/// Reads lines "NAME LENGTH"; further columns (as in a .fai) are ignored. InputError with file and
/// line: a length that is no positive whole number, a repeated name, an empty file.
[[nodiscard]] std::vector<ContigSize> read_chrom_sizes(const std::filesystem::path& path);

}  // namespace epi::data
