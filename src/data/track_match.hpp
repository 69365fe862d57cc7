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
  ChrPrefix prefix = ChrPrefix::matters;
  std::int64_t bin_bp = 0;
  std::span<const SheetRow> sheet;  ///< one row per track, for messages
  std::span<const TrackWork> tracks;
};

/// [cell][contig of the store] -> contig of the cell's track; none where it has no states.
using TrackTable = std::vector<std::vector<std::optional<std::size_t>>>;

struct MatchedTracks {
  TrackTable tracks;
  std::string warning;  ///< one line: intervals outside of the store, odd lengths; empty: none
};

/// InputError when a contig has no states in any cell (both lists of contigs, and what would help),
/// when two contigs of one file are one contig of the store, or when a track ends off the grid
/// before the contig's end: the sign of another assembly.
[[nodiscard]] MatchedTracks match_tracks(const MatchRequest& request);

}  // namespace epi::data
