// Launch geometry of `class_loss`: pure host code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/launch.hpp"

namespace epi::kernels::cuda {

/// Who has a row of logits, and where it is between its one reading and its one writing. A row that
/// does not fit in shared memory is read three times.
enum class RowPlan : std::uint8_t { warp, block, block_rereads };

struct ClassLossShape {
  RowPlan plan = RowPlan::block;
  std::int64_t vectors = 0;  ///< most stretches of 16 bytes of a row; kept ones in shared memory
  Launch launch{};
};

/// Rows of `classes` elements of `element_bytes` (2 or 4).
[[nodiscard]] ClassLossShape class_loss_shape(std::int64_t rows, std::int64_t classes,
                                              std::size_t element_bytes,
                                              const DeviceLimits& limits);

}  // namespace epi::kernels::cuda
