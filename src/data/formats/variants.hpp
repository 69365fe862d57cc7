// Variants: VCF (plain, gzip, bgzip) and BCF, one record at a time; and whether their REF alleles
// are what a genome holds, which tells at once when they belong to another assembly. VCF is read
// here and not by htslib, which takes "chr22 abc" for a record at position 0.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/chrom_sizes.hpp"
#include "data/ranges.hpp"

namespace epi::data {

struct Variant {
  std::string contig;
  std::int64_t position_bp = 0;   ///< 0-based place of the first base of `ref`; -1: VCF's POS 0
  std::string id;                 ///< empty: "."
  std::string ref;                ///< as written, lower case too
  std::vector<std::string> alts;  ///< none: "."; also "<DEL>", "*" and break ends
  std::int64_t record = 0;        ///< 1 is the file's first
  std::int64_t line = 0;          ///< of the text; 0 in BCF
};

/// Whether an allele is spelled out: letters of bases, not "<DEL>", "*" or a break end.
[[nodiscard]] bool is_spelled_out(std::string_view allele);

/// What VCF and BCF have in common.
class VariantSource {
 public:
  virtual ~VariantSource() = default;
  /// "VCF" or "BCF".
  [[nodiscard]] virtual std::string_view form() const = 0;
  /// The header's contigs; length 0 where it gives none.
  [[nodiscard]] virtual const std::vector<ContigSize>& contigs() const = 0;
  /// The next record; false at the end. Genotypes are not read. InputError with file and line (or
  /// record): fewer than five columns, a position that is no whole number, an empty allele, a REF
  /// with other letters than IUPAC's, a damaged or truncated file, a line above 1 MiB.
  [[nodiscard]] virtual bool next(Variant& variant) = 0;
};

/// Opens a file and reads its header; what it is, its content says. MissingError or IoError when it
/// can't be opened; InputError when it is neither VCF nor BCF, cut short or damaged.
[[nodiscard]] std::unique_ptr<VariantSource> open_variants(const std::filesystem::path& path);

/// Bases of a range of a contig, upper case, N for every unknown one, cut at the contig's ends;
/// nothing when there is no such contig.
using BasesOf = std::function<std::optional<std::string>(std::string_view contig, Range range)>;

/// How a REF allele compares with a genome. `undecided`: all bases that both know agree, but one of
/// them holds N (or another code for several bases) somewhere.
enum class RefCheck : std::uint8_t { match, mismatch, undecided, past_end, unknown_contig };
/// "match", "mismatch" and so on, as reports print it.
[[nodiscard]] std::string_view name_of(RefCheck check);
inline constexpr std::size_t kNumRefChecks = 5;

/// Compares without regard to case.
[[nodiscard]] RefCheck check_ref(const Variant& variant, const BasesOf& genome);

/// Counts of a whole file, and its first mismatches.
struct RefCounts {
  std::int64_t count[kNumRefChecks] = {};
  std::vector<std::string> mismatches;  ///< at most kShownMismatches, one line each
  /// Of one kind.
  [[nodiscard]] std::int64_t of(RefCheck check) const {
    return count[static_cast<std::size_t>(check)];
  }
};
inline constexpr std::size_t kShownMismatches = 5;

/// Checks one variant and counts it.
void count_ref(const Variant& variant, const BasesOf& genome, RefCounts& counts);

}  // namespace epi::data
