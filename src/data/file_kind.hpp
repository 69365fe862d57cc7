// What a file is, by its content; names of files are not believed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace epi::data {

enum class FileKind : std::uint8_t {
  fasta,
  twobit,
  bigbed,
  bigwig,
  variants,     ///< VCF or BCF
  states,       ///< BED whose fourth column names states
  state_lines,  ///< one state per line and bin
  narrow_peaks,
  broad_peaks,
  bed,
  genes,  ///< GTF or GFF3
  labels,
  sheet,
  chrom_sizes,
  state_names,
  state_map,
  aliases,
};

/// "FASTA", "segmentation (BED)" and so on.
[[nodiscard]] std::string_view name_of(FileKind kind);

/// Looks at the first bytes or, in text, at the first records. InputError when nothing that
/// epitrain reads looks like this, quoting the first line, and for an empty file; MissingError,
/// IoError.
[[nodiscard]] FileKind kind_of(const std::filesystem::path& path);

}  // namespace epi::data
