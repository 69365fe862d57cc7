// X and Y share sequence: UCSC's chrY holds a copy of the ends of chrX, letter by letter. With the
// two chromosomes in different splits, what is tested was trained on.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/store.hpp"

namespace epi::data {

/// A warning that counts bases of X and their copies on Y that lie in different splits; empty when
/// there are none, as where Y's are masked with N or where `assembly` (hg19, hg38) or lengths tell
/// nothing. `regions`: per split, without runs of N, sorted and disjoint.
[[nodiscard]] std::string pseudoautosomal_warning(
    std::string_view assembly, std::span<const Contig> contigs,
    std::span<const std::vector<Interval>, 3> regions);

}  // namespace epi::data
