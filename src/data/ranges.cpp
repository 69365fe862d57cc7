// Sweeps over sorted lists: every operation is linear after one sort.
#include "data/ranges.hpp"

#include <algorithm>

namespace epi::data {

Ranges normalized(Ranges ranges) {
  std::erase_if(ranges, [](const Range& range) { return range.start_bp >= range.end_bp; });
  std::sort(ranges.begin(), ranges.end(),
            [](const Range& a, const Range& b) { return a.start_bp < b.start_bp; });
  Ranges merged;
  for (const Range& range : ranges) {
    // Touching ranges merge too: equal sets of bases then have equal lists.
    if (!merged.empty() && range.start_bp <= merged.back().end_bp) {
      merged.back().end_bp = std::max(merged.back().end_bp, range.end_bp);
    } else {
      merged.push_back(range);
    }
  }
  return merged;
}

Ranges subtract(const Ranges& from, const Ranges& remove) {
  Ranges left;
  auto hole = remove.begin();
  for (const Range& range : from) {
    std::int64_t at = range.start_bp;
    while (hole != remove.end() && hole->end_bp <= at) ++hole;
    // A hole that reaches past this range may also cut the next one, so it's not consumed here.
    for (auto next = hole; next != remove.end() && next->start_bp < range.end_bp; ++next) {
      if (next->start_bp > at) left.push_back({at, next->start_bp});
      at = std::max(at, next->end_bp);
    }
    if (at < range.end_bp) left.push_back({at, range.end_bp});
  }
  return left;
}

Ranges intersect(const Ranges& a, const Ranges& b) {
  Ranges common;
  auto left = a.begin();
  auto right = b.begin();
  while (left != a.end() && right != b.end()) {
    const Range both{std::max(left->start_bp, right->start_bp),
                     std::min(left->end_bp, right->end_bp)};
    if (both.start_bp < both.end_bp) common.push_back(both);
    // The one that ends first can meet nothing more.
    if (left->end_bp < right->end_bp) {
      ++left;
    } else {
      ++right;
    }
  }
  return common;
}

Ranges grown(const Ranges& ranges, std::int64_t by_bp, std::int64_t length_bp) {
  Ranges wide = ranges;
  for (Range& range : wide) {
    range.start_bp = by_bp < range.start_bp ? range.start_bp - by_bp : 0;
    // What is left is compared, not the sum: a huge guard would overflow.
    range.end_bp = by_bp < length_bp - range.end_bp ? range.end_bp + by_bp : length_bp;
  }
  return normalized(std::move(wide));
}

std::int64_t total_bp(const Ranges& ranges) {
  std::int64_t sum = 0;
  for (const Range& range : ranges) sum += range.end_bp - range.start_bp;
  return sum;
}

}  // namespace epi::data
