// Adding up what pieces of rows have left: sums over pieces in a fixed order.
#pragma once

#include <cstdint>

namespace epi::kernels::cuda {

/// partials [pieces, 2, columns] to two arrays of `columns`, which are written.
struct PieceSums {
  const float* partials;
  std::int64_t pieces, columns;
  float* to[2];
};

/// Queues it on `stream` (cudaStream_t).
void sum_pieces(const PieceSums& job, void* stream);

}  // namespace epi::kernels::cuda
