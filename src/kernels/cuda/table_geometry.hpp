// How lists of table rows are sorted and summed: pure host code, by shape only, so that sums have
// the same order on every device.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "core/error.hpp"

namespace epi::kernels::cuda {

/// A sort takes a digit of at most eight bits at a time, from the lowest on.
inline constexpr int kMostDigitBits = 8;
inline constexpr std::int64_t kSortChunk = 512;
inline constexpr std::int64_t kMostSortChunks = 256;

/// A list in chunks, each sorted by a warp. All lists of a call have the same.
struct SortChunks {
  std::int64_t size = kSortChunk;  ///< a multiple of 32
  std::int64_t count = 1;
};

/// LogicError beyond 2^31 - 1 entries, whose numbers are 32 bits wide.
[[nodiscard]] inline SortChunks sort_chunks(std::int64_t entries) {
  core::require(entries <= std::numeric_limits<std::int32_t>::max(),
                "at most 2^31 - 1 rows are sorted at once");
  const std::int64_t share = (entries + kMostSortChunks - 1) / kMostSortChunks;
  const std::int64_t size = std::max(kSortChunk, (share + 31) / 32 * 32);
  return {.size = size, .count = (entries + size - 1) / size};
}

/// Bits that tell `rows` rows apart, at least 1.
[[nodiscard]] constexpr int row_bits(std::int64_t rows) {
  return std::max(1, static_cast<int>(std::bit_width(static_cast<std::uint64_t>(rows - 1))));
}
/// Digits of the rows of a table.
[[nodiscard]] constexpr int sort_passes(std::int64_t rows) {
  return (row_bits(rows) + kMostDigitBits - 1) / kMostDigitBits;
}
/// Bits of a digit when a sort takes `passes` of them, maybe more than its table needs.
[[nodiscard]] constexpr int digit_bits(std::int64_t rows, int passes) {
  return (row_bits(rows) + passes - 1) / passes;
}

/// Sorted entries that a block sums up.
inline constexpr std::int64_t kEntriesOfPiece = 128;
/// Columns of a block of sums, and threads for them.
inline constexpr std::int64_t kColumnsOfSlab = 2048;

[[nodiscard]] inline std::uint32_t slab_threads(std::int64_t hidden) {
  return static_cast<std::uint32_t>((std::min(hidden, kColumnsOfSlab) + 255) / 256 * 32);
}

}  // namespace epi::kernels::cuda
