// The tree in which a step's micro-batches are summed, the same for gradients and totals. It is cut
// so that a rank's share is a subtree: 2n micro-batches are two times the tree of n, and what the
// ranks then sum in their own tree (dist/rank_tree.hpp) continues it. So 1, 2, 4, ... ranks add the
// same pairs, and get the same bits.
//
// n = o * 2^a with o odd: groups of o micro-batches in a row are summed from left to right, and the
// 2^a groups in a perfect binary tree.
#pragma once

#include <bit>
#include <cstdint>

namespace epi::train {

struct CanonicalTree {
  std::int64_t group = 1;   ///< o: leaves that are summed in a row
  std::int64_t groups = 1;  ///< 2^a: leaves of the binary tree above them

  /// Of `leaves` >= 1.
  [[nodiscard]] static constexpr CanonicalTree over(std::int64_t leaves) {
    const std::int64_t groups = leaves & -leaves;
    return {leaves / groups, groups};
  }
  [[nodiscard]] constexpr std::int64_t leaves() const { return group * groups; }
  /// How many sums a leaf completes once it is added: of its group so far, then of subtrees.
  [[nodiscard]] constexpr int merges(std::int64_t leaf) const {
    const std::int64_t in_group = leaf % group;
    const auto index = static_cast<std::uint64_t>(leaf / group);
    const int above = in_group + 1 == group ? std::countr_one(index) : 0;
    return above + (in_group > 0 ? 1 : 0);
  }
  /// Sums that wait, and aren't complete, when a leaf arrives: one per set bit of its group's
  /// number, the lowest on top, and that of its group.
  [[nodiscard]] constexpr int waiting(std::int64_t leaf) const {
    const auto index = static_cast<std::uint64_t>(leaf / group);
    return std::popcount(index) + (leaf % group > 0 ? 1 : 0);
  }
};

}  // namespace epi::train
