// Sets of bases on one contig, as sorted disjoint half-open ranges, and their arithmetic. Splits,
// gaps and shards are computed with these four operations only.
#pragma once

#include <cstdint>
#include <vector>

namespace epi::data {

/// No place or length is above this: far above any chromosome, far below what sums and roundings
/// overflow at.
inline constexpr std::int64_t kFarthestBp = std::int64_t{1} << 40U;

/// 0-based, half-open, on a contig that the context names.
struct Range {
  std::int64_t start_bp = 0;
  std::int64_t end_bp = 0;
  friend bool operator==(const Range&, const Range&) = default;
};

/// Sorted, not empty, neither overlapping nor touching.
using Ranges = std::vector<Range>;

/// The same bases in normal form: sorted, merged, empty ranges dropped.
[[nodiscard]] Ranges normalized(Ranges ranges);

/// Bases of `from` that are not in `remove`; both in normal form.
[[nodiscard]] Ranges subtract(const Ranges& from, const Ranges& remove);

/// Bases of `a` that are in `b` too; both in normal form.
[[nodiscard]] Ranges intersect(const Ranges& a, const Ranges& b);

/// Each range grown by `by_bp` on both sides, cut to 0..length_bp, in normal form.
[[nodiscard]] Ranges grown(const Ranges& ranges, std::int64_t by_bp, std::int64_t length_bp);

/// Number of bases; `ranges` in normal form.
[[nodiscard]] std::int64_t total_bp(const Ranges& ranges);

}  // namespace epi::data
