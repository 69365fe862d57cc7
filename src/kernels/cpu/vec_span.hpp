// Walking arrays sixteen floats at a time, for loops files only (see isa.hpp).
#pragma once

#include "kernels/cpu/vec.hpp"

// Lambdas given to `walk` must be inlined into both of its calls.
#define EPI_STEP __attribute__((always_inline))

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

/// Calls step(i, lanes) at each i = 0, 16, ..; lanes is 16, a constant to the compiler, but for the
/// last step.
template <class Step>
EPI_INLINE void walk(std::int64_t count, const Step& step) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) step(i, kLanes);
  if (i < count) step(i, count - i);
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
