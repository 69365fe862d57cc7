// Many short sums: warps of a block take pieces in turns, so that few columns keep a GPU busy.
#include "kernels/cuda/column_sums.hpp"

#include <algorithm>

#include "kernels/cuda/launch.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

/// Warps of a block at most.
constexpr std::int64_t kMostAdders = 32;
constexpr std::int64_t kPiecesOfAdder = 4;

/// A block sums 32 neighbouring columns. With w warps each takes every w-th piece; then their sums
/// are added in order.
__global__ void sum_pieces_kernel(PieceSums job) {
  auto* room = reinterpret_cast<float*>(simt::shared());
  const std::int64_t column = std::int64_t{simt::block_x()} * simt::kWarp + simt::lane();
  const std::int64_t both = 2 * job.columns;
  float sum = 0.0F;
  if (column < both) {
#pragma unroll 8
    for (std::int64_t piece = simt::warp(); piece < job.pieces; piece += simt::num_warps()) {
      sum += job.partials[piece * both + column];
    }
  }
  room[simt::thread()] = sum;
  simt::sync_block();
  if (simt::warp() != 0 || column >= both) return;
  for (int w = 1; w < simt::num_warps(); ++w) sum += room[w * simt::kWarp + simt::lane()];
  job.to[column / job.columns][column % job.columns] = sum;
}

}  // namespace

void sum_pieces(const PieceSums& job, void* stream) {
  const std::uint32_t adders =
      blocks_for(std::min(job.pieces, kMostAdders * kPiecesOfAdder), kPiecesOfAdder);
  const Launch launch{.grid_x = blocks_for(2 * job.columns, simt::kWarp),
                      .threads = adders * simt::kWarp,
                      .shared_bytes = adders * simt::kWarp * sizeof(float)};
  simt::launch(sum_pieces_kernel, launch, stream, job);
}

}  // namespace epi::kernels::cuda
