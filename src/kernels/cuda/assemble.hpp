// Launch geometry of `assemble`: pure host code.
#pragma once

#include <cstdint>

#include "kernels/cuda/launch.hpp"
#include "kernels/tokens.hpp"

namespace epi::kernels::cuda {

/// What a window's working memory depends on.
struct AssembleShape {
  std::int32_t most_blocks = 0;  ///< that may become spans
  std::int32_t most_bins = 0;    ///< that a window touches
};

[[nodiscard]] AssembleShape assemble_shape(const TokenSpec& tokens, const MaskSpec& masks,
                                           std::int32_t bin_bp);

/// A block per window, a thread per token up to 512.
[[nodiscard]] Launch assemble_launch(std::int64_t windows, const TokenSpec& tokens,
                                     const AssembleShape& shape);

}  // namespace epi::kernels::cuda
