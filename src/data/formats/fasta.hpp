// FASTA -> base codes, one contig at a time. No index is read: a foreign .fai may describe another
// file, and reading everything once costs less than finding that out.
#pragma once

#include <filesystem>

#include "data/formats/genome_file.hpp"

namespace epi::data {

/// Reads a FASTA file (plain, gzip or bgzip) and hands over its contigs in file order.
///
/// A contig's name is the text between '>' and the first blank. A C G T give codes 0..3; N and the
/// other IUPAC codes, U among them, give 4; lower case sets core::kSoftMasked on any of them.
/// Empty lines and CRLF are fine. InputError names file and line: any other character, sequence
/// before the first header, an empty or repeated name, a contig without bases, a file without
/// contigs, a damaged or truncated file.
void read_fasta(const std::filesystem::path& path, const TakeContig& take);

}  // namespace epi::data
