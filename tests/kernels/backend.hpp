// The ops that a test program is about; which ones is a matter of what it links: cpu_backend.cpp,
// simt_backend.cpp or cuda_backend.cpp.
#pragma once

#include "kernels/ops.hpp"

namespace epi::kernels {

/// Their operands lie in host memory: tests fill and read them.
[[nodiscard]] Ops& tested_ops();
/// The same, whose work is done in another order, so far as there is one: more threads than cores,
/// or other orders of emulated threads. Results must have the same bits.
[[nodiscard]] Ops& tested_ops_again();

}  // namespace epi::kernels
