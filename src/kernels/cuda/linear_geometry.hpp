// How the kernels beside products cut their work: by shape alone, so that bits don't depend on the
// device. Pure host code.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/launch.hpp"

namespace epi::kernels::cuda {

inline constexpr int kLinearThreads = 256;

// A product whose epilogue is done apart lies in f32 first, so that each element is rounded once.
// It is made in chunks of rows that stay in the second-level cache of large devices.
inline constexpr std::int64_t kChunkBytes = std::int64_t{32} << 20;
inline constexpr std::int64_t kChunkRowStep = 128;

/// f32 elements from row to row of such a chunk: rows begin at multiples of 16 bytes.
[[nodiscard]] constexpr std::int64_t chunk_width(std::int64_t columns) {
  return (columns + 7) / 8 * 8;
}
/// Rows of all chunks but the last.
[[nodiscard]] constexpr std::int64_t chunk_rows(std::int64_t rows, std::int64_t columns) {
  const std::int64_t fitting = kChunkBytes / (4 * chunk_width(columns));
  const std::int64_t whole = std::max(kChunkRowStep, fitting / kChunkRowStep * kChunkRowStep);
  return std::min(rows, whole);
}

// Column sums: each block sums 256 rows of 256 columns, eight columns a lane; then 32 columns a
// block over all these pieces.
inline constexpr std::int64_t kPieceRows = 256;
inline constexpr std::int64_t kPieceColumns = 256;
inline constexpr std::int64_t kFinalColumns = 32;
inline constexpr int kSumWarps = kLinearThreads / 32;

[[nodiscard]] constexpr std::int64_t num_pieces(std::int64_t rows) {
  return (rows + kPieceRows - 1) / kPieceRows;
}
[[nodiscard]] constexpr Launch piece_launch(std::int64_t rows, std::int64_t columns) {
  return {.grid_x = blocks_for(rows, kPieceRows),
          .grid_y = blocks_for(columns, kPieceColumns),
          .threads = kLinearThreads,
          .shared_bytes = kSumWarps * static_cast<std::size_t>(kPieceColumns) * sizeof(float)};
}
[[nodiscard]] constexpr Launch final_launch(std::int64_t columns) {
  return {.grid_x = blocks_for(columns, kFinalColumns),
          .threads = kLinearThreads,
          .shared_bytes = kSumWarps * static_cast<std::size_t>(kFinalColumns) * sizeof(float)};
}
/// A thread for each eight elements of a chunk.
[[nodiscard]] constexpr Launch finish_launch(std::int64_t rows, std::int64_t columns) {
  return {.grid_x = blocks_for(rows * (chunk_width(columns) / 8), kLinearThreads),
          .threads = kLinearThreads};
}

}  // namespace epi::kernels::cuda
