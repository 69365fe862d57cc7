// A genome file of any kind -> base codes, one contig at a time. Which kind it is, its first bytes
// say; names of files are not believed.
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
  Contig contig;  ///< counts and digests filled in
  Ranges gaps;    ///< runs of N of at least kShortestGapBp
  std::span<const std::uint8_t> bases;
};

/// Called once per contig, in file order.
using TakeContig = std::function<void(const ContigSequence&)>;

/// Reads FASTA (plain, gzip or bgzip) or 2bit and hands over its contigs. Errors: see read_fasta
/// and read_twobit.
void read_genome(const std::filesystem::path& path, const TakeContig& take);

}  // namespace epi::data
