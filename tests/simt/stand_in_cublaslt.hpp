// What a test may tell the stand-in for cuBLASLt, and ask of it.
#pragma once

#include <cstdint>

namespace epi::kernels::cuda {

/// From now on no epilogue has an algorithm, or all that the header allows have.
void withhold_epilogues(bool withheld);
/// Products that were asked for against the library's rules, so far.
[[nodiscard]] std::int64_t refused_products();

}  // namespace epi::kernels::cuda
