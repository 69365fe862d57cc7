// Stores past the caches, for results of many megabytes that nobody reads soon: a plain store would
// first read the line that it overwrites. For loops files only (see isa.hpp).
#pragma once

#include "kernels/cpu/vec_bf16.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

/// `to` lies on a multiple of 64 bytes. Where vectors are shorter than a line, a plain store.
EPI_INLINE void store_far(float* to, Vec value) {
#if defined(__AVX512F__) && !defined(__clang__)
  __builtin_ia32_movntps512(to, value);
#else
  store(to, value);
#endif
}

/// The same for half a line, on a multiple of 32 bytes; the other half should follow at once.
EPI_INLINE void store_far(Bf16* to, Vec value) {
#if defined(__AVX512F__) && !defined(__clang__)
  using Line = long long [[gnu::vector_size(32)]];
  __builtin_ia32_movntdq256(reinterpret_cast<Line*>(to), reinterpret_cast<Line>(narrow(value)));
#else
  store(to, value);
#endif
}

/// Whether a row-major matrix begins on a line and all of its rows do.
template <class T>
EPI_INLINE bool rows_on_lines(const T* matrix, std::int64_t stride) {
  const auto address = reinterpret_cast<std::uintptr_t>(matrix);
  return address % 64 == 0 && stride * static_cast<std::int64_t>(sizeof(T)) % 64 == 0;
}

/// After the last store_far of a task, before others may read what it wrote.
EPI_INLINE void fence_far_stores() {
  __builtin_ia32_sfence();
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
