// How rows of H elements are laid over warps: pure host code, by shape only, so that sums have the
// same order on every device.
//
// A row belongs to a team of neighbouring warps; a thread of it holds up to four times eight
// neighbouring elements of the row, 32 * warps * 8 apart, in registers from the first pass to the
// last. A block is several teams, each with its own row.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "kernels/cuda/launch.hpp"

namespace epi::kernels::cuda {

/// What teams and threads hold.
struct RowTeams {
  int eights = 1;  ///< times eight elements of a thread: 1 to 4
  int warps = 1;   ///< of a team
  int teams = 1;   ///< of a block

  /// Threads of a block.
  [[nodiscard]] constexpr std::uint32_t threads() const {
    return static_cast<std::uint32_t>(32 * warps * teams);
  }
};

inline constexpr int kMostEights = 4;
/// About as many of a block: more blocks find room where threads hold much.
inline constexpr int kRowWarps = 4;
/// Of a block at most: more would leave threads too few registers.
inline constexpr int kRowThreads = 256;
inline constexpr std::int64_t kLongestRow = std::int64_t{8} * kMostEights * kRowThreads;

/// Teams for rows of `hidden` elements, about `block_warps` warps a block. LogicError beyond
/// kLongestRow, which a block can't hold.
[[nodiscard]] inline RowTeams row_teams(std::int64_t hidden, int block_warps) {
  if (hidden > kLongestRow) {
    throw core::LogicError("rows of " + std::to_string(hidden) +
                           " elements, kernels hold at most " + std::to_string(kLongestRow));
  }
  const std::int64_t eights = (hidden + 7) / 8;
  const std::int64_t warps = (eights + 32 * kMostEights - 1) / (32 * kMostEights);
  const std::int64_t of_thread = (eights + 32 * warps - 1) / (32 * warps);
  return {.eights = static_cast<int>(of_thread),
          .warps = static_cast<int>(warps),
          .teams = static_cast<int>(std::max<std::int64_t>(1, block_warps / warps))};
}

/// Floats at the beginning of a block's shared memory that its sums over warps take.
inline constexpr std::int64_t kSumFloats = 32;

/// A block of teams on `blocks` blocks; `partial_floats` more of shared memory for each team but
/// the first.
[[nodiscard]] inline Launch row_launch(const RowTeams& teams, std::int64_t blocks,
                                       std::int64_t partial_floats = 0) {
  const std::int64_t floats = kSumFloats + (teams.teams - 1) * partial_floats;
  return {.grid_x = static_cast<std::uint32_t>(blocks),
          .threads = teams.threads(),
          .shared_bytes = sizeof(float) * static_cast<std::size_t>(floats)};
}

/// Rows in pieces that blocks sum up: at most kMostPieces, each a multiple of the block's teams.
struct RowPieces {
  std::int64_t rows = 1;   ///< of a piece
  std::int64_t count = 1;  ///< of pieces
};

/// Enough for two waves of the largest GPUs, few enough that adding up pieces costs little.
inline constexpr std::int64_t kMostPieces = 1024;

[[nodiscard]] inline RowPieces row_pieces(std::int64_t rows, const RowTeams& teams) {
  const std::int64_t share = (rows + kMostPieces - 1) / kMostPieces;
  const std::int64_t size = (share + teams.teams - 1) / teams.teams * teams.teams;
  return {.rows = size, .count = (rows + size - 1) / size};
}

}  // namespace epi::kernels::cuda
