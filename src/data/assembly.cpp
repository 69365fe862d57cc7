// The embedded table is parsed once; it is ours, so a bad line in it is a broken promise.
#include "data/assembly.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "data/tables.hpp"

namespace epi::data {
namespace {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string name_or_none(const std::string& column) {
  return column == "-" ? std::string() : column;
}

KnownContig parse_row(std::string_view line) {
  const std::vector<std::string> columns = split(line, '\t');
  core::require(columns.size() == 6, "tables/assemblies.tsv has six columns");
  KnownContig contig{
      columns[0], name_or_none(columns[1]), name_or_none(columns[2]), name_or_none(columns[3]),
      0,          split(columns[5], ',')};
  const char* const end = columns[4].data() + columns[4].size();
  const auto parsed = std::from_chars(columns[4].data(), end, contig.length_bp);
  core::require(parsed.ptr == end && contig.length_bp > 0, "tables/assemblies.tsv has lengths");
  return contig;
}

std::vector<KnownContig> parse_table(std::string_view text) {
  std::vector<KnownContig> contigs;
  bool header = true;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty() || line.front() == '#') continue;
    if (!header) contigs.push_back(parse_row(line));
    header = false;
  }
  return contigs;
}

bool has_name(const KnownContig& contig, std::string_view name) {
  return !name.empty() && (name == contig.ucsc || name == contig.ensembl || name == contig.refseq);
}

/// hg18, hg19 and much else share one mitochondrion, GRCh37 and hg38 another: neither tells what
/// the chromosomes beside it are.
bool is_mitochondrion(const KnownContig& contig) {
  return contig.ucsc == "chrM" || contig.ensembl == "MT";
}

/// The one assembly that all chromosomes of the table with some property belong to; empty when
/// there is none or more than one.
template <class Fits>
std::string only_assembly(Fits fits) {
  std::string only;
  for (const KnownContig& known : known_contigs()) {
    if (is_mitochondrion(known) || !fits(known)) continue;
    if (!only.empty() && only != known.assembly) return {};
    only = known.assembly;
  }
  return only;
}

std::string assembly_by_sequence(const Contig& contig) {
  return only_assembly([&contig](const KnownContig& known) {
    return std::find(known.md5s.begin(), known.md5s.end(), contig.md5) != known.md5s.end();
  });
}

/// A length that two assemblies have tells nothing.
std::string assembly_by_length(const Contig& contig) {
  const std::string assembly = only_assembly(
      [&contig](const KnownContig& known) { return known.length_bp == contig.length_bp; });
  const KnownContig* known = find_known(assembly, contig.name);
  return known != nullptr && known->length_bp == contig.length_bp ? assembly : std::string();
}

/// What one contig tells.
struct Witness {
  std::string assembly;
  Evidence evidence = Evidence::none;
};

Witness witness_of(const Contig& contig) {
  if (std::string name = assembly_by_sequence(contig); !name.empty()) {
    return {std::move(name), Evidence::sequences};
  }
  if (std::string name = assembly_by_length(contig); !name.empty()) {
    return {std::move(name), Evidence::lengths};
  }
  return {};
}

const char* text_of(Evidence evidence) {
  return evidence == Evidence::sequences ? "sequence" : "length";
}

[[noreturn]] void refuse_mixed(const Contig& a, const Witness& of_a, const Contig& b,
                               const Witness& of_b) {
  throw core::InputError(
      fmt::format("contigs of two assemblies: '{}' ({} bp) has the {} of {}, '{}' ({} bp) that of "
                  "{}, by its {}; take all sequence from one assembly",
                  a.name, a.length_bp, text_of(of_a.evidence), of_a.assembly, b.name, b.length_bp,
                  of_b.assembly, text_of(of_b.evidence)));
}

/// Whether any known assembly has a chromosome of this name.
bool is_chromosome(std::string_view name) {
  const auto& known = known_contigs();
  return std::any_of(known.begin(), known.end(), [name](const KnownContig& contig) {
    return !is_mitochondrion(contig) && has_name(contig, name);
  });
}

/// A chromosome may be cut, then it is shorter; it is never longer, nor under another assembly's
/// RefSeq name.
bool can_be_cut_from(std::string_view assembly, const Contig& contig) {
  const KnownContig* known = find_known(assembly, contig.name);
  return known != nullptr && contig.length_bp <= known->length_bp;
}

/// Names and lengths of a few chromosomes may agree by chance or by descent. Those that do not
/// agree are told, and take the name away where one cannot belong to the assembly or most differ.
void weigh_contradictions(std::span<const Contig> contigs, AssemblyGuess& guess) {
  if (guess.name.empty()) return;
  std::size_t agreeing = 0;
  bool impossible = false;
  for (const Contig& contig : contigs) {
    if (witness_of(contig).evidence != Evidence::none) {
      ++agreeing;
    } else if (is_chromosome(contig.name)) {
      impossible = impossible || !can_be_cut_from(guess.name, contig);
      guess.contradicting.push_back(contig.name);
    }
  }
  if (!impossible && guess.contradicting.size() <= agreeing) return;
  guess.almost = std::exchange(guess.name, {});
  guess.evidence = Evidence::none;
  guess.altered.clear();
}

bool fits_end(const KnownContig& known, std::int64_t end_bp, std::int64_t bin_bp) {
  return std::abs(end_bp - known.length_bp) <= bin_bp;
}

}  // namespace

const std::vector<KnownContig>& known_contigs() {
  static const std::vector<KnownContig> contigs = parse_table(assemblies_table());
  return contigs;
}

std::vector<std::string> known_assemblies() {
  std::vector<std::string> names;
  for (const KnownContig& contig : known_contigs()) {
    if (names.empty() || names.back() != contig.assembly) names.push_back(contig.assembly);
  }
  return names;
}

std::vector<std::string> names_in_use(const KnownContig& contig) {
  std::vector<std::string> names = {contig.ucsc, contig.ensembl, contig.refseq};
  std::erase(names, "");
  return names;
}

bool is_mitochondrion(std::string_view name) {
  const auto& known = known_contigs();
  return std::any_of(known.begin(), known.end(), [name](const KnownContig& contig) {
    return is_mitochondrion(contig) && has_name(contig, name);
  });
}

const KnownContig* find_known(std::string_view assembly, std::string_view name) {
  for (const KnownContig& contig : known_contigs()) {
    if (contig.assembly == assembly && has_name(contig, name)) return &contig;
  }
  return nullptr;
}

AssemblyGuess assembly_of(std::span<const Contig> contigs) {
  AssemblyGuess guess;
  const Contig* first = nullptr;
  Witness of_first;
  for (const Contig& contig : contigs) {
    const Witness witness = witness_of(contig);
    if (witness.evidence == Evidence::none) continue;
    if (first == nullptr) {
      first = &contig;
      of_first = witness;
    } else if (witness.assembly != of_first.assembly) {
      refuse_mixed(*first, of_first, contig, witness);
    }
    guess.name = witness.assembly;
    guess.evidence = std::max(guess.evidence, witness.evidence);
    // Stores of version 1 have no MD5, which is no sign of another sequence.
    if (witness.evidence == Evidence::lengths && !contig.md5.empty()) {
      guess.altered.push_back(contig.name);
    }
  }
  weigh_contradictions(contigs, guess);
  return guess;
}

std::string assembly_of_ends(const TrackEnds& ends, std::int64_t bin_bp) {
  std::set<std::string> told;
  for (const auto& [name, end_bp] : ends) {
    std::string assembly = only_assembly([&](const KnownContig& known) {
      return has_name(known, name) && fits_end(known, end_bp, bin_bp);
    });
    if (!assembly.empty()) told.insert(std::move(assembly));
  }
  if (told.size() != 1) return {};
  // Tracks may end early, but not behind the end.
  const bool fits = std::all_of(ends.begin(), ends.end(), [&](const auto& end) {
    const KnownContig* known = find_known(*told.begin(), end.first);
    return known == nullptr || is_mitochondrion(*known) || end.second <= known->length_bp + bin_bp;
  });
  return fits ? *told.begin() : std::string();
}

}  // namespace epi::data
