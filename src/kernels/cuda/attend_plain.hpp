// Attention without matrix instructions, for what they don't serve: f32, heads beyond 128 and odd
// sizes. A warp a row; for checking, not for speed.
#pragma once

#include "kernels/cuda/cuda_kernels.hpp"

namespace epi::kernels::cuda {

/// As attend, any type and head size.
void attend_plain(const AttendArgs& args, const Context& context);
/// As attend_grad.
void attend_grad_plain(const AttendGradArgs& args, const Context& context);

}  // namespace epi::kernels::cuda
