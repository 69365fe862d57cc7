// FASTA -> base codes, one contig at a time. No index is read: a foreign .fai may describe another
// file, and reading everything once costs less than finding that out.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>

#include "data/ranges.hpp"
#include "data/store.hpp"

namespace epi::data {

/// Runs of N at least this long are gaps: no window crosses them.
inline constexpr std::int64_t kShortestGapBp = 100;

/// One contig as read. `bases` is valid during the callback only.
struct ContigSequence {
  Contig contig;  ///< counts and digest filled in
  Ranges gaps;    ///< runs of N of at least kShortestGapBp
  std::span<const std::uint8_t> bases;
};

/// Reads a FASTA file (plain, gzip or bgzip) and hands over its contigs in file order.
///
/// A contig's name is the text between '>' and the first blank. A C G T give codes 0..3; N and the
/// other IUPAC codes, U among them, give 4; lower case sets core::kSoftMasked on any of them.
/// Empty lines and CRLF are fine. InputError names file and line: any other character, sequence
/// before the first header, an empty or repeated name, a contig without bases, a file without
/// contigs, a damaged or truncated file.
void read_fasta(const std::filesystem::path& path,
                const std::function<void(const ContigSequence&)>& take);

}  // namespace epi::data
