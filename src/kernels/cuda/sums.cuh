// Sums over the lanes of a warp and the warps of a block, always in the same order.
#pragma once

#include "simt/simt.cuh"

namespace epi::kernels::cuda {

/// The sum over all lanes, the same bits in each: a tree of fixed shape.
template <class T>
__device__ inline T warp_sum(T value) {
#pragma unroll
  for (int mask = simt::kWarp / 2; mask > 0; mask /= 2) value += simt::shuffle_xor(value, mask);
  return value;
}

/// The sum over `warps` neighbouring warps of a block, in all their threads. All threads of the
/// block call it; `room` has a T for each warp of the block and may be used again afterwards.
template <class T>
__device__ inline T team_sum(T value, int warps, T* room) {
  value = warp_sum(value);
  if (warps == 1) return value;
  if (simt::lane() == 0) room[simt::warp()] = value;
  simt::sync_block();
  const int first = simt::warp() / warps * warps;
  T sum = room[first];
  for (int i = 1; i < warps; ++i) sum += room[first + i];
  simt::sync_block();
  return sum;
}

/// The sum over all threads of the block, in each; as team_sum.
template <class T>
__device__ inline T block_sum(T value, T* room) {
  return team_sum(value, simt::num_warps(), room);
}

}  // namespace epi::kernels::cuda
