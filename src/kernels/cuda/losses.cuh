// What the losses share: parts of a sum in double, left by many blocks, are added by one block in
// an order that depends on their number only.
#pragma once

#include "simt/simt.cuh"

namespace epi::kernels::cuda {

/// Threads of the block that adds up parts.
inline constexpr int kAddingThreads = 256;
/// Its shared memory for one sum at a time.
inline constexpr std::size_t kAddingBytes = kAddingThreads / simt::kWarp * sizeof(double);

/// The sum over all lanes, in all lanes.
__device__ inline double warp_sum_of(double value) {
  for (int mask = simt::kWarp / 2; mask > 0; mask /= 2) value += simt::shuffle_xor(value, mask);
  return value;
}

/// The sum over all threads, in thread 0, in double. All threads call it; `room` holds a double per
/// warp and may be used again after the call.
__device__ inline double block_sum_of(double value, double* room) {
  value = warp_sum_of(value);
  if (simt::lane() == 0) room[simt::warp()] = value;
  simt::sync_block();
  double sum = 0.0;
  if (simt::thread() == 0) {
    for (int w = 0; w < simt::num_warps(); ++w) sum += room[w];
  }
  simt::sync_block();
  return sum;
}

}  // namespace epi::kernels::cuda
