// Segmentations meet the genome: which track of a cell type belongs to which contig, and what
// doesn't fit. Names and lengths that can't belong together are errors here, before hours of work.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/contig_names.hpp"
#include "data/formats/sheet.hpp"
#include "data/store.hpp"
#include "data/work_file.hpp"

namespace epi::data {

struct MatchRequest {
  std::span<const Contig> contigs;
  const ContigNames& names;  ///< of `contigs`
  std::int64_t bin_bp = 0;
  std::span<const SheetRow> sheet;  ///< one row per track, for messages
  std::span<const TrackWork> tracks;
  std::string assembly;  ///< the genome's, as assembly_of names it; empty: not a known one
};

/// [cell][contig of the store] -> contig of the cell's track; none where it has no states.
using TrackTable = std::vector<std::vector<std::optional<std::size_t>>>;

struct MatchedTracks {
  TrackTable tracks;
  std::string warning;  ///< one line: intervals outside of the store, odd lengths; empty: none
};

/// InputError when a contig has no states in any cell (both lists of contigs, and what would help),
/// when a cell with files has no states on any contig (likewise), when two contigs of one cell are
/// one contig of the store, when a track ends off the grid before the contig's end, the sign of
/// another assembly, or when a track is of another assembly than the genome: its ends are those of
/// another one, or lie behind a contig that has its whole length.
[[nodiscard]] MatchedTracks match_tracks(const MatchRequest& request);

}  // namespace epi::data
