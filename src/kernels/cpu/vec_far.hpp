// Stores past the caches, for results of many megabytes that nobody reads soon: a plain store would
// first read the line that it overwrites. For loops files only (see isa.hpp).
#pragma once

#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

/// `to` lies on a multiple of 64 bytes. Where vectors are shorter than a line, a plain store.
EPI_INLINE void store_far(float* to, Vec value) {
#if defined(__AVX512F__) && !defined(__clang__)
  __builtin_ia32_movntps512(to, value);
#else
  store(to, value);
#endif
}

/// After the last store_far of a task, before others may read what it wrote.
EPI_INLINE void fence_far_stores() {
  __builtin_ia32_sfence();
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
