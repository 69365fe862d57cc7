// Loops over flat arrays, eight elements a thread: enough accesses of 16 bytes are under way that
// memory is the bound.
#pragma once

#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/vec.cuh"

namespace epi::kernels::cuda {

inline constexpr int kFlatThreads = 256;

/// body<kWhole>(first, count) for stretches of eight elements; the last may be shorter.
template <bool kAligned, class Body>
__global__ void __launch_bounds__(kFlatThreads) for_eights_kernel(Body body, std::int64_t count) {
  const std::int64_t at = std::int64_t{simt::block_x()} * kFlatThreads + simt::thread();
  const std::int64_t first = at * kEight;
  if (first >= count) return;
  const std::int64_t left = count - first;
  if (kAligned && left >= kEight) {
    body.template operator()<true>(first, kEight);
  } else {
    body.template operator()<false>(first, left < kEight ? static_cast<int>(left) : kEight);
  }
}

/// Queues it; `aligned`: all arrays begin at multiples of 16 bytes.
template <class Body>
void for_eights(const Body& body, std::int64_t count, bool aligned, void* stream) {
  const Launch launch{.grid_x = blocks_for(count, std::int64_t{kFlatThreads} * kEight),
                      .threads = kFlatThreads};
  if (aligned) {
    simt::launch(for_eights_kernel<true, Body>, launch, stream, body, count);
  } else {
    simt::launch(for_eights_kernel<false, Body>, launch, stream, body, count);
  }
}

}  // namespace epi::kernels::cuda
