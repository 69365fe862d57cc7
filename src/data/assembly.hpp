// Which assembly a genome is, told by its sequences or, where these are cut, by their lengths; and
// whether tracks come from the same one. MD5 of the upper-case sequence is what SAM headers (M5)
// and refget use, so published values can be compared.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/store.hpp"

namespace epi::data {

/// One contig of a known assembly, under UCSC's name.
struct KnownContig {
  std::string assembly, name, ensembl, refseq;
  std::int64_t length_bp = 0;
  std::string md5;  ///< of the upper-case sequence
};

/// The bundled table: hg19 and hg38, chromosomes 1-22, X, Y and M (tables/assemblies.tsv).
[[nodiscard]] const std::vector<KnownContig>& known_contigs();

enum class Evidence : std::uint8_t { none, lengths, sequences };

struct AssemblyGuess {
  std::string name;  ///< empty: none of the known ones
  Evidence evidence = Evidence::none;
};

/// By MD5 where any contig has a known one, else by the length of contigs with known names (in any
/// naming). InputError when contigs of two assemblies are mixed, naming one contig of each.
[[nodiscard]] AssemblyGuess assembly_of(std::span<const Contig> contigs);

/// Which known assembly ends of tracks (contig name -> furthest base, chr-style or not) fit: ends
/// within `bin_bp` of the lengths of one assembly and of no other. Empty when nothing is told.
[[nodiscard]] std::string assembly_of_ends(const std::map<std::string, std::int64_t>& ends,
                                           std::int64_t bin_bp);

}  // namespace epi::data
