// The plan of a store: everything decided from the parsed inputs before the first shard is written,
// so that what can fail fails in seconds. A pure function of options and work files: every process
// makes the same plan.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/formats/sheet.hpp"
#include "data/prepare.hpp"
#include "data/store.hpp"
#include "data/track_match.hpp"
#include "data/work_file.hpp"

namespace epi::data {

/// Runs of N at least this long are not stored: shards end before and begin behind them.
inline constexpr std::int64_t kUnstoredGapBp = 1'000'000;

/// Where a contig's bases are: in which genome file, as which of its contigs.
struct ContigPlace {
  std::size_t genome = 0;
  std::size_t index = 0;
};

struct StorePlan {
  Manifest manifest;                ///< complete, save bytes and digests of its shards
  std::vector<ContigPlace> places;  ///< per contig of the manifest
  TrackTable tracks;
  /// Code of each state number of the files, after --state-map; core::kStateMissing: none.
  std::vector<std::uint8_t> codes;
  std::vector<std::string> warnings;
};

/// InputError or ConfigError, naming files, for whatever does not fit together: contigs in two
/// genome files, contigs without states, vocabularies, bin sizes, splits, unknown names.
[[nodiscard]] StorePlan make_plan(const PrepareOptions& options, std::span<const SheetRow> sheet,
                                  std::span<const GenomeWork> genomes,
                                  std::span<const TrackWork> tracks);

/// Cuts a contig into stored intervals: without runs of N at its ends and without those of at least
/// kUnstoredGapBp, on bin boundaries, in near-equal pieces of at most `shard_bp`.
[[nodiscard]] Ranges stored_ranges(std::int64_t length_bp, const Ranges& gaps, std::int64_t bin_bp,
                                   std::int64_t shard_bp);

/// A shard's states, [cells][bins] row-major: the code of the interval that covers a bin,
/// core::kStateMissing where none does. Intervals past the contig's end are cut.
[[nodiscard]] std::vector<std::uint8_t> shard_states(const StorePlan& plan, const Shard& shard,
                                                     std::span<const TrackWork> tracks);

}  // namespace epi::data
