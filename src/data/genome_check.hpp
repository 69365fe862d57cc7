// What is demanded of a genome beside its own file: that it has the contigs and lengths that the
// user's chrom.sizes says.
#pragma once

#include <filesystem>
#include <span>

#include "data/contig_names.hpp"
#include "data/formats/chrom_sizes.hpp"
#include "data/store.hpp"

namespace epi::data {

/// Compares all contigs with the list read from `path`, whose further contigs don't matter;
/// `names` are those of `contigs`. InputError that lists every contig that the list lacks or gives
/// another length, with both lengths.
void check_sizes(std::span<const Contig> contigs, const ContigNames& names,
                 const std::filesystem::path& path, std::span<const ContigSize> sizes);

}  // namespace epi::data
