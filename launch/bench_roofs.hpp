// The roofline of this machine in this minute: for a cost in FLOPs and bytes the least time that
// arithmetic and memory allow, and what share of that a measured time reaches.
//
// Memory's roof is measured on a working set as large as the call's own, walked over again and
// again. So a call on 4 MB is held against the caches, not against the memory: no share exceeds 1
// because operands were small. An op whose operands come from memory, since other ops pushed them
// out, can't reach that roof: part of what is missing is then the price of the step's size.
#pragma once

#include <map>

#include "kernels/cpu/peak.hpp"
#include "kernels/op_cost.hpp"

namespace epi::launch {

/// A measured time beside the roof of what bounds it.
struct Judged {
  double value = 0.0;     ///< GFLOP/s where arithmetic bounds the call, else GB/s
  double roof = 0.0;      ///< in the same unit
  const char* unit = "";  ///< "GFLOP/s" or "GB/s"
  double share = 0.0;     ///< value / roof: least possible time over measured time
};

class Roofs {
 public:
  /// Measures arithmetic on as many threads, about 0.2 s; memory when it is first asked for.
  explicit Roofs(int threads);

  /// Measures arithmetic again and keeps the larger value, so that a neighbour's burst at one
  /// moment does not lower the roof.
  void measure_again();
  /// FLOP/s for activations of this type; 0 for bf16 where there are no such instructions.
  [[nodiscard]] double peak(core::DType type) const;
  /// Rates over `bytes` in total, rounded down to a power of two between 64 KiB and 256 MiB.
  [[nodiscard]] const kernels::cpu::MemoryRates& memory(double bytes);
  /// Rates over 256 MiB: beyond the caches.
  [[nodiscard]] const kernels::cpu::MemoryRates& main_memory();
  /// A call of this cost that took so long.
  [[nodiscard]] Judged judge(const kernels::OpCost& cost, double seconds);

 private:
  /// Bytes per second: the largest rate of a kind of traffic that is no harder than this one's.
  [[nodiscard]] double memory_roof(const kernels::OpCost& cost);

  int threads_;
  double fp32_ = 0.0, bf16_ = 0.0;
  std::map<int, kernels::cpu::MemoryRates> memory_;  ///< by the logarithm of the size
};

}  // namespace epi::launch
