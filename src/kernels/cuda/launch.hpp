// How a kernel is laid out over a device: pure host code, so that it is tested without one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace epi::kernels::cuda {

/// What launch geometry depends on; of the device in use, or of an imagined one in tests.
struct DeviceLimits {
  int multiprocessors = 1;
  int major = 8, minor = 0;           ///< compute capability
  std::size_t shared_bytes = 101376;  ///< of one block at most, with the opt-in (99 KiB on sm_86)
  std::size_t l2_bytes = std::size_t{40} << 20U;
};

/// Blocks of threads in one dimension, a grid of up to three, and the block's shared memory: one
/// dynamic arena, no static shared variables.
struct Launch {
  std::uint32_t grid_x = 1, grid_y = 1, grid_z = 1;
  std::uint32_t threads = 32;  ///< of a block: a multiple of 32, at most 1,024
  std::size_t shared_bytes = 0;
};

/// Blocks that cover `count` items by `per_block`; at least 1.
[[nodiscard]] constexpr std::uint32_t blocks_for(std::int64_t count, std::int64_t per_block) {
  return count <= 0 ? 1U : static_cast<std::uint32_t>((count + per_block - 1) / per_block);
}

}  // namespace epi::kernels::cuda
