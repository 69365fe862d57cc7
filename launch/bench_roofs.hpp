// The roofline of this machine in this minute: for a cost in FLOPs and bytes the least time that
// arithmetic and memory allow, and what share of that a measured time reaches.
//
// Memory's roof is measured on a working set as large as the call's own, walked over again and
// again. So a call on 4 MB is held against the caches, not against the memory: no share exceeds 1
// because operands were small. An op whose operands come from memory, since other ops pushed them
// out, can't reach that roof: part of what is missing is then the price of the step's size.
#pragma once

#include <map>
#include <memory>
#include <string>

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

/// FLOP/s by the type of what is multiplied; 0 where the device has no instructions for it.
struct Peaks {
  double fp32 = 0.0, bf16 = 0.0;
  /// Of activations of this type.
  [[nodiscard]] double of(core::DType type) const {
    return type == core::DType::bf16 ? bf16 : fp32;
  }
};

/// What a device can do, measured: twins for the CPU (here) and for GPUs (bench_roofs_gpu.hpp).
class RoofSource {
 public:
  RoofSource() = default;
  RoofSource(const RoofSource&) = delete;
  RoofSource& operator=(const RoofSource&) = delete;
  virtual ~RoofSource() = default;

  /// Arithmetic, measured now.
  [[nodiscard]] virtual Peaks measure_peaks() = 0;
  /// Memory over a working set of `bytes` in total.
  [[nodiscard]] virtual kernels::cpu::MemoryRates measure_memory(std::size_t bytes) = 0;
  /// The largest working set worth measuring, as a power of two: beyond all caches.
  [[nodiscard]] virtual int largest_log() const = 0;
  /// The maker's figures, for shares that others state too; 0 where none is known.
  [[nodiscard]] virtual Peaks nominal() const = 0;
};

/// Fused multiply-adds, or dot products of bf16 pairs, from registers of `threads` threads.
[[nodiscard]] std::unique_ptr<RoofSource> make_cpu_roofs(int threads);

class Roofs {
 public:
  /// Measures arithmetic, about 0.2 s; memory when it is first asked for.
  explicit Roofs(std::unique_ptr<RoofSource> source);

  /// Measures arithmetic again and keeps the larger value, so that a neighbour's burst at one
  /// moment does not lower the roof.
  void measure_again();
  /// FLOP/s for activations of this type; 0 for bf16 where there are no such instructions.
  [[nodiscard]] double peak(core::DType type) const { return peaks_.of(type); }
  /// FLOP/s by the maker's data sheet, against which "model FLOPs utilisation" is stated; what was
  /// measured where no sheet is known.
  [[nodiscard]] double nominal_peak(core::DType type) const;
  /// Whether nominal_peak is the maker's.
  [[nodiscard]] bool nominal_known(core::DType type) const;
  /// Rates over `bytes` in total, rounded down to a power of two from 64 KiB to the largest.
  [[nodiscard]] const kernels::cpu::MemoryRates& memory(double bytes);
  /// Rates over the largest working set: beyond the caches.
  [[nodiscard]] const kernels::cpu::MemoryRates& main_memory();
  /// A call of this cost that took so long.
  [[nodiscard]] Judged judge(const kernels::OpCost& cost, double seconds);

 private:
  /// Bytes per second: the largest rate of a kind of traffic that is no harder than this one's.
  [[nodiscard]] double memory_roof(const kernels::OpCost& cost);

  std::unique_ptr<RoofSource> source_;
  Peaks peaks_;
  std::map<int, kernels::cpu::MemoryRates> memory_;  ///< by the logarithm of the size
};

}  // namespace epi::launch
