// The tree in which sums over ranks are taken, and how a vector is cut along it. One tree for each
// number of ranks, whoever carries the numbers: that, and not who adds or when, decides the bits.
//
//   1 rank   its numbers
//   n ranks  (the first p) + (the other n - p), p the largest power of two below n
//
// So 4 ranks are (0+1)+(2+3), 3 are (0+1)+2, 6 are ((0+1)+(2+3))+(4+5). The tree of 2n ranks is
// that of n pairs: what one rank sums by itself, two ranks can share without a change of a bit.
// Bottom up it is: partners at distance 1, then 2, then 4; the lower one is the left operand.
#pragma once

#include <bit>
#include <cstdint>

#include "dist/stretch.hpp"

namespace epi::dist {

/// How many of `ranks` (at least 2) are summed on the left of the last addition: the largest power
/// of two below `ranks`.
[[nodiscard]] constexpr int tree_split(int ranks) {
  return static_cast<int>(std::bit_floor(static_cast<unsigned>(ranks) - 1U));
}

/// What `rank` of 2^levels ranks holds of `count` elements after `levels` halvings with partners at
/// distance 1, 2, 4, ...: at each, the rank with the lower bit keeps the first half (the smaller
/// one of an odd count). With fewer levels: what it holds on the way. Ranges of 2^(levels + 1)
/// ranks cut those of 2^levels, rank by rank of equal low bits. (Vector halving with distance
/// doubling: Thakur, Rabenseifner and Gropp, IJHPCA 19, 2005, there with distances the other way.)
[[nodiscard]] constexpr Stretch halving_range(std::int64_t count, int rank, int levels) {
  Stretch range{0, count};
  for (int level = 0; level < levels; ++level) {
    const std::int64_t lower = range.count / 2;
    const bool upper = (rank >> level & 1) != 0;
    range = upper ? Stretch{range.first + lower, range.count - lower} : Stretch{range.first, lower};
  }
  return range;
}

}  // namespace epi::dist
