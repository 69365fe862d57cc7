// Where the regions lie is the Genome Reference Consortium's definition, from 0 and half-open.
#include "data/pseudoautosomal.hpp"

#include <fmt/format.h>

#include <array>

#include "data/assembly.hpp"
#include "data/ranges.hpp"

namespace epi::data {
namespace {

/// A stretch of X and where its copy on Y begins.
struct SharedRegion {
  std::string_view assembly;
  Range on_x;
  std::int64_t y_start_bp;
};

constexpr std::array<SharedRegion, 4> kShared = {{
    {"hg19", {60'000, 2'699'520}, 10'000},
    {"hg19", {154'931'043, 155'260'560}, 59'034'049},
    {"hg38", {10'000, 2'781'479}, 10'000},
    {"hg38", {155'701'382, 156'030'895}, 56'887'902},
}};

/// The contig that is this chromosome whole; -1: none.
std::int32_t whole_contig(std::string_view assembly, std::span<const Contig> contigs,
                          std::string_view ucsc) {
  for (std::size_t i = 0; i < contigs.size(); ++i) {
    const KnownContig* known = find_known(assembly, contigs[i].name);
    if (known != nullptr && known->ucsc == ucsc && known->length_bp == contigs[i].length_bp) {
      return static_cast<std::int32_t>(i);
    }
  }
  return -1;
}

/// A contig's part of a split, moved by `shift_bp`.
Ranges ranges_on(std::int32_t contig, const std::vector<Interval>& regions, std::int64_t shift_bp) {
  Ranges ranges;
  for (const Interval& region : regions) {
    if (region.contig != contig) continue;
    ranges.push_back({region.start_bp + shift_bp, region.end_bp + shift_bp});
  }
  return normalized(std::move(ranges));
}

}  // namespace

std::string pseudoautosomal_warning(std::string_view assembly, std::span<const Contig> contigs,
                                    std::span<const std::vector<Interval>, 3> regions) {
  const std::int32_t x = whole_contig(assembly, contigs, "chrX");
  const std::int32_t y = whole_contig(assembly, contigs, "chrY");
  if (x < 0 || y < 0) return {};
  std::int64_t shared_bp = 0;
  for (const SharedRegion& shared : kShared) {
    if (shared.assembly != assembly) continue;
    for (std::size_t a = 0; a < regions.size(); ++a) {
      const Ranges on_x = intersect({shared.on_x}, ranges_on(x, regions[a], 0));
      for (std::size_t b = 0; b < regions.size(); ++b) {
        if (a == b) continue;
        const std::int64_t to_x_bp = shared.on_x.start_bp - shared.y_start_bp;
        shared_bp += total_bp(intersect(on_x, ranges_on(y, regions[b], to_x_bp)));
      }
    }
  }
  if (shared_bp == 0) return {};
  return fmt::format(
      "{} bases of {} and their copies on {} (the pseudoautosomal regions) lie in different "
      "splits; hold out both or neither, or name the copies in --blacklist",
      shared_bp, contigs[static_cast<std::size_t>(x)].name,
      contigs[static_cast<std::size_t>(y)].name);
}

}  // namespace epi::data
