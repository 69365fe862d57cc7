// Which bases train, validate and test. No base is ever in two splits, and around held-out regions
// lies a guard that no split uses: a window near the border would show a neighbour's sequence.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/contig_names.hpp"
#include "data/ranges.hpp"
#include "data/store.hpp"

namespace epi::data {

/// One Ranges per contig of the genome.
using GenomeRanges = std::vector<Ranges>;

/// A split is given as a BED file when its text has a '/' or ends in .bed or .bed.gz, else as a
/// list of contigs; the same on every machine, whatever files lie around.
[[nodiscard]] bool is_region_file(const std::string& text);

/// The bases that --valid or --test names: whole contigs or regions of a BED file; empty text is no
/// bases. InputError for unknown contigs (lists the known ones) and regions past a contig's end.
[[nodiscard]] GenomeRanges read_held_out(const std::string& text, const std::string& option,
                                         std::span<const Contig> contigs, const ContigNames& names);

struct RegionList {
  GenomeRanges ranges;
  std::string warning;  ///< one line that counts regions on other contigs; empty: none
};

/// The bases of a BED file that is made for a whole assembly: --blacklist, --regions. Contigs that
/// the genome lacks are counted, and ends past a contig's end are fine. InputError with both lists
/// of names when no contig of the file is the genome's. `option` is for messages.
[[nodiscard]] RegionList read_region_list(const std::string& option,
                                          const std::filesystem::path& path,
                                          std::span<const Contig> contigs,
                                          const ContigNames& names);

struct SplitRequest {
  std::span<const Contig> contigs;
  GenomeRanges valid, test;     ///< held out, as asked for
  GenomeRanges gaps, unwanted;  ///< taken out of every split: blacklist, all outside --regions
  std::int64_t guard_bp = 0;
};

/// Regions per split, sorted by contig and start: test as asked for; valid less the guard around
/// test; train all the rest less the guard around both. InputError when valid and test share bases
/// or a split that was asked for keeps none. Train may be empty.
[[nodiscard]] std::array<std::vector<Interval>, 3> plan_splits(const SplitRequest& request);

/// Proves it from the lists themselves: LogicError if two splits share a base or come closer than
/// `guard_bp` on one contig, or if a list is not sorted and disjoint.
void check_splits(std::span<const std::vector<Interval>, 3> regions, std::int64_t guard_bp);

}  // namespace epi::data
