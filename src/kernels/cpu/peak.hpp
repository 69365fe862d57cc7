// The roofs of this machine, now: what arithmetic and memory give at best to as many threads, in
// the process and minute in which a speed is measured. Both are taken from plain loops rather than
// from a data sheet: clocks fall under load, and virtual machines have neighbours.
#pragma once

#include <cstddef>

namespace epi::kernels::cpu {

/// Largest fp32 FLOP/s of `threads` threads over several short trials of multiply-adds from
/// registers, in the instruction set that the loops use. Takes about 0.1 s.
[[nodiscard]] double measure_peak(int threads);

/// The same for sums of products of bf16 pairs (vdpbf16ps, four operations a lane); 0 where the
/// processor has no such instruction. Tiles of AMX, where there are any, are faster than this.
[[nodiscard]] double measure_peak_bf16(int threads);

/// Bytes per second, read and written together as in STREAM; memory that a store must fetch first
/// is not counted.
struct MemoryRates {
  double read = 0.0;   ///< a sum over one array
  double copy = 0.0;   ///< a = b
  double triad = 0.0;  ///< a = b + s c
  /// a += s a: nothing has to be fetched only to be overwritten, so what updates in place, as
  /// AdamW does, may beat a copy
  double in_place = 0.0;
};

/// Largest rates of `threads` threads that walk again and again over `bytes` in total: small sets
/// show the caches, large ones the memory. Takes about 0.1 s and, for that time, the memory.
[[nodiscard]] MemoryRates measure_memory(int threads, std::size_t bytes);

}  // namespace epi::kernels::cpu
