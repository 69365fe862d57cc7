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

/// As `walk`, with the number of one of kChains accumulators: step(i, lanes, chain). A sum in one
/// chain would wait for each addition before the next.
inline constexpr std::int64_t kChains = 4;
template <class Step>
EPI_INLINE void walk_chains(std::int64_t count, const Step& step) {
  std::int64_t i = 0;
  for (; i + kChains * kLanes <= count; i += kChains * kLanes) {
    step(i, kLanes, 0);
    step(i + kLanes, kLanes, 1);
    step(i + 2 * kLanes, kLanes, 2);
    step(i + 3 * kLanes, kLanes, 3);
  }
  for (; i + kLanes <= count; i += kLanes) step(i, kLanes, 0);
  if (i < count) step(i, count - i, 0);
}

EPI_INLINE float sum_chains(const Vec* chains) {
  return sum((chains[0] + chains[1]) + (chains[2] + chains[3]));
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
