// Which assembly a genome is, told by its sequences or, where these are cut, by their lengths; and
// whether tracks come from the same one. MD5 of the upper-case sequence is what SAM headers (M5)
// and refget use, so published values can be compared.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/store.hpp"

namespace epi::data {

/// One contig of a known assembly. A name is empty where that naming has none.
struct KnownContig {
  std::string assembly;
  std::string ucsc, ensembl, refseq;
  std::int64_t length_bp = 0;
  std::vector<std::string> md5s;  ///< of the upper-case sequence as different bodies publish it
};

/// The bundled table: hg19 and hg38, chromosomes 1-22, X, Y and M (tables/assemblies.tsv).
[[nodiscard]] const std::vector<KnownContig>& known_contigs();

/// "hg19", "hg38": the assemblies of known_contigs, in its order.
[[nodiscard]] std::vector<std::string> known_assemblies();

/// The contig's names that are not empty.
[[nodiscard]] std::vector<std::string> names_in_use(const KnownContig& contig);

/// The contig of an assembly with this name in any naming; nullptr: none.
[[nodiscard]] const KnownContig* find_known(std::string_view assembly, std::string_view name);

/// Whether a known assembly calls its mitochondrion so, in any naming.
[[nodiscard]] bool is_mitochondrion(std::string_view name);

enum class Evidence : std::uint8_t { none, lengths, sequences };

struct AssemblyGuess {
  std::string name;  ///< empty: none of the known ones
  Evidence evidence = Evidence::none;
  /// Contigs with the name and length of one of the assembly's, but another sequence: masked,
  /// patched, or damaged.
  std::vector<std::string> altered;
  /// Contigs with the name of a known chromosome, but another length.
  std::vector<std::string> contradicting;
  /// The name that those took away; empty: none.
  std::string almost;
};

/// By MD5 where any contig has a known one, else by the length of contigs with known names (in any
/// naming). Mitochondria tell nothing: many assemblies share theirs. Chromosomes of other lengths
/// take the name away when one is longer than the assembly's, or when they are more than those that
/// agree; a few that are cut do not. InputError when contigs of two assemblies are mixed, naming
/// one contig of each.
[[nodiscard]] AssemblyGuess assembly_of(std::span<const Contig> contigs);

/// How far tracks reach: contig name, in any naming, -> furthest base.
using TrackEnds = std::map<std::string, std::int64_t>;

/// Which known assembly ends of tracks fit: ends within `bin_bp` of the lengths of one assembly
/// and of no other, and no end behind one of its chromosomes. Empty when nothing is told.
[[nodiscard]] std::string assembly_of_ends(const TrackEnds& ends, std::int64_t bin_bp);

}  // namespace epi::data
