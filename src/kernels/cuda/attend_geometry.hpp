// How attention is cut over a device: pure host code. What it decides depends on shapes and on what
// a block may hold, never on how many multiprocessors there are, since sums follow the cut.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/view.hpp"
#include "kernels/cuda/launch.hpp"

namespace epi::kernels::cuda {

/// Letters as in ops.hpp: B, T, heads, D.
struct AttendShape {
  std::int64_t batch = 1, tokens = 1, heads = 1, size = 1;
  core::DType type = core::DType::f32;
};

/// The head size that a kernel is compiled for, at least D: rows are padded with zeros in shared
/// memory. 0 where matrix instructions don't serve: f32, heads beyond 128, and rows that do not
/// begin at multiples of 16 bytes.
[[nodiscard]] constexpr int tile_size(const AttendShape& s) {
  if (s.type != core::DType::bf16 || s.size > 128 || s.size % 8 != 0) return 0;
  return s.size <= 32 ? 32 : s.size <= 64 ? 64 : 128;
}

/// Rows of 16 that a warp takes in kernels whose sums for each row fill most registers.
[[nodiscard]] constexpr int tiles_of_warp(int tile) {
  return tile <= 64 ? 2 : 1;
}

// The forward kernel, and the gradient of queries when keys have a kernel of their own: 4 warps of
// 32 queries each; keys and values pass by in two stages, fewer at once where heads are large, so
// that scores fit into registers beside the sums and two blocks into shared memory.
inline constexpr int kQueryWarps = 4;
inline constexpr int kBlockQueries = 128;
[[nodiscard]] constexpr int stage_keys(int tile) {
  return tile <= 64 ? 64 : 32;
}

// The gradient of keys and values: each warp owns some keys; queries come by in steps of 32.
inline constexpr int kGradStep = 32;
/// Keys of a block of `warps`.
[[nodiscard]] constexpr int grad_keys(int tile, int warps) {
  return warps * 16 * tiles_of_warp(tile);
}
inline constexpr int kSplitWarps = 4;
/// When one block makes all gradients of a head, queries' too.
inline constexpr int kFusedWarps = 8;
inline constexpr int kFusedTile = 64;  ///< the only head size it is made for

/// Log-sum-exp and slope of each query lie together, 8 bytes.
inline constexpr int kStatBytes = 8;

/// Queries of a head in the list of these, whole steps.
[[nodiscard]] constexpr std::int64_t padded_tokens(std::int64_t tokens) {
  return (tokens + kBlockQueries - 1) / kBlockQueries * kBlockQueries;
}

/// Bytes of `rows` rows of a tile.
[[nodiscard]] constexpr std::size_t tile_bytes(int rows, int tile) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(tile) * 2;
}

/// Shared memory of the three kernels; two stages of what passes by.
[[nodiscard]] constexpr std::size_t forward_bytes(int tile) {
  return tile_bytes(kBlockQueries, tile) + 4 * tile_bytes(stage_keys(tile), tile);
}
[[nodiscard]] constexpr std::size_t grad_queries_bytes(int tile) {
  return 2 * tile_bytes(kBlockQueries, tile) + 4 * tile_bytes(stage_keys(tile), tile);
}
[[nodiscard]] constexpr std::size_t grad_keys_bytes(int tile, int warps) {
  return 2 * tile_bytes(grad_keys(tile, warps), tile) + 4 * tile_bytes(kGradStep, tile) +
         std::size_t{2} * kGradStep * kStatBytes;
}
/// Gradients of queries as f32, and slopes of scores on their way to them.
[[nodiscard]] constexpr std::size_t fused_bytes(std::int64_t tokens) {
  const auto steps = static_cast<std::size_t>((tokens + kGradStep - 1) / kGradStep);
  return grad_keys_bytes(kFusedTile, kFusedWarps) +
         tile_bytes(grad_keys(kFusedTile, kFusedWarps), kGradStep) +
         steps * kGradStep * kFusedTile * sizeof(float);
}

/// Whether one block makes all gradients of a head: 5 products instead of 7, when gradients of
/// queries fit and padding to its larger blocks does not cost more than that.
[[nodiscard]] constexpr bool fuses_gradient(const AttendShape& s, const DeviceLimits& limits) {
  const std::int64_t large = blocks_for(s.tokens, grad_keys(kFusedTile, kFusedWarps));
  const std::int64_t small = blocks_for(s.tokens, grad_keys(kFusedTile, kSplitWarps));
  return tile_size(s) == kFusedTile && fused_bytes(s.tokens) <= limits.shared_bytes &&
         5 * 2 * large <= 7 * small;
}

/// Blocks of `per_block` queries or keys of a head (x), of all heads (y) and samples (z): those of
/// a head are neighbours, so that they find its keys in L2.
[[nodiscard]] constexpr Launch heads_launch(const AttendShape& s, int per_block, int warps,
                                            std::size_t shared_bytes) {
  return {.grid_x = blocks_for(s.tokens, per_block),
          .grid_y = static_cast<std::uint32_t>(s.heads),
          .grid_z = static_cast<std::uint32_t>(s.batch),
          .threads = static_cast<std::uint32_t>(warps) * 32U,
          .shared_bytes = shared_bytes};
}

/// attend by matrix instructions; tile_size(s) is not 0.
[[nodiscard]] constexpr Launch forward_launch(const AttendShape& s) {
  return heads_launch(s, kBlockQueries, kQueryWarps, forward_bytes(tile_size(s)));
}
[[nodiscard]] constexpr Launch grad_queries_launch(const AttendShape& s) {
  return heads_launch(s, kBlockQueries, kQueryWarps, grad_queries_bytes(tile_size(s)));
}
[[nodiscard]] constexpr Launch grad_keys_launch(const AttendShape& s) {
  return heads_launch(s, grad_keys(tile_size(s), kSplitWarps), kSplitWarps,
                      grad_keys_bytes(tile_size(s), kSplitWarps));
}
/// One block a head.
[[nodiscard]] constexpr Launch fused_launch(const AttendShape& s) {
  return {.grid_y = static_cast<std::uint32_t>(s.heads),
          .grid_z = static_cast<std::uint32_t>(s.batch),
          .threads = kFusedWarps * 32U,
          .shared_bytes = fused_bytes(s.tokens)};
}

/// A thread for 8 elements of a query and head.
inline constexpr int kStatThreads = 256;
[[nodiscard]] constexpr Launch stats_launch(const AttendShape& s) {
  const std::int64_t threads = padded_tokens(s.tokens) * s.heads * (tile_size(s) / 8);
  return {.grid_x = blocks_for(threads, kStatThreads),
          .grid_z = static_cast<std::uint32_t>(s.batch),
          .threads = kStatThreads};
}

// The plain kernels: a warp has a row of its own, `rows` of D floats and one of 32 in shared
// memory.
[[nodiscard]] constexpr std::size_t plain_warp_bytes(std::int64_t size, int rows) {
  return (static_cast<std::size_t>(size) * static_cast<std::size_t>(rows) + 2 * 32) * sizeof(float);
}
/// Up to four warps to a block; fewer where rows are long. Each takes a query or key.
[[nodiscard]] constexpr Launch plain_launch(const AttendShape& s, int rows,
                                            const DeviceLimits& limits) {
  const std::size_t bytes = plain_warp_bytes(s.size, rows);
  std::uint32_t warps = 4;
  while (warps > 1 && warps * bytes > limits.shared_bytes) warps /= 2;
  return heads_launch(s, static_cast<int>(warps), static_cast<int>(warps), warps * bytes);
}

}  // namespace epi::kernels::cuda
