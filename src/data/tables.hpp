// Tables that are part of the program: text files of tables/, embedded at build time (epi_embed in
// src/data/CMakeLists.txt), so that nothing has to be found beside the program.
#pragma once

#include <string_view>

namespace epi::data {

/// tables/assemblies.tsv: chromosomes of hg19 and hg38.
[[nodiscard]] std::string_view assemblies_table();
/// tables/roadmap_epigenomes.tsv: the 127 epigenomes.
[[nodiscard]] std::string_view roadmap_epigenomes_table();

}  // namespace epi::data
