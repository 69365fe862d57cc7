// The bins that a segmentation's boundaries lie on, found as their greatest common divisor.
#pragma once

#include <span>
#include <string>

#include "data/formats/states_file.hpp"

namespace epi::data {

/// The grid of one file's contigs, whose intervals are sorted and disjoint: all starts and all ends
/// but the last of each contig, which may be the contig's end.
[[nodiscard]] Grid measure_grid(std::span<const ContigTrack> contigs, std::size_t file);

/// InputError with line when boundaries without a grid of at least 10 bp show one as soon as
/// starts, or starts and ends, are moved by one: coordinates that count from 1.
void refuse_shifted(std::span<const ContigTrack> contigs, const std::string& file);

/// The common grid of one cell type's files. InputError naming both places when a file with many
/// boundaries has another one.
[[nodiscard]] Grid join_grids(std::span<const Grid> grids, std::span<const std::string> files);

}  // namespace epi::data
