// What every reader of genomes promises about a contig that it hands over.
#pragma once

#include <algorithm>

#include "data/formats/genome_file.hpp"
#include "data/shard.hpp"
#include "fuzz/target.hpp"

namespace epi::fuzz {

/// A finding unless length, counts, gaps and codes belong together.
inline void check_contig(const data::ContigSequence& sequence) {
  const data::Contig& contig = sequence.contig;
  const auto bases = std::ssize(sequence.bases);
  expect(bases > 0 && contig.length_bp == bases && !contig.name.empty(),
         "a contig is not what it says");
  expect(std::all_of(sequence.bases.begin(), sequence.bases.end(), data::is_base_code),
         "a byte is no base code");
  const auto is_known = [](std::uint8_t code) { return (code & core::kBaseMask) < core::kBaseN; };
  expect(std::count_if(sequence.bases.begin(), sequence.bases.end(), is_known) == contig.acgt_bp,
         "the count of A C G T is wrong");
  std::int64_t end_bp = -1;
  for (const data::Range& gap : sequence.gaps) {
    expect(gap.start_bp > end_bp && gap.end_bp - gap.start_bp >= data::kShortestGapBp &&
               gap.end_bp <= bases,
           "gaps are out of order or of the contig");
    end_bp = gap.end_bp;
  }
}

}  // namespace epi::fuzz
