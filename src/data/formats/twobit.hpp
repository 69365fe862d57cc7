// UCSC's 2bit: two bits a base, lists of runs of N and of soft-masked runs. The format is described
// at https://genome.ucsc.edu/FAQ/FAQformat.html#format7.
#pragma once

#include <filesystem>

#include "data/formats/genome_file.hpp"

namespace epi::data {

/// Whether the file begins with 2bit's signature, in either byte order.
[[nodiscard]] bool is_twobit(const std::filesystem::path& path);

/// Reads a 2bit file, version 0 or 1 (64-bit offsets), either byte order; contigs in the order of
/// its index. Every count and offset is compared with the file's size before it is believed.
/// InputError names file and contig: offsets or blocks outside of the file or the contig, blocks
/// out of order, repeated names, unused fields that are not 0, a truncated file.
void read_twobit(const std::filesystem::path& path, const TakeContig& take);

}  // namespace epi::data
