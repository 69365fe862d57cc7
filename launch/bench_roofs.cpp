#include "bench_roofs.hpp"

#include <algorithm>
#include <cmath>

namespace epi::launch {
namespace {

constexpr int kSmallest = 16, kLargest = 28;  // logarithms of 64 KiB and 256 MiB

}  // namespace

Roofs::Roofs(int threads) : threads_(threads) {
  measure_again();
}

void Roofs::measure_again() {
  fp32_ = std::max(fp32_, kernels::cpu::measure_peak(threads_));
  bf16_ = std::max(bf16_, kernels::cpu::measure_peak_bf16(threads_));
}

double Roofs::peak(core::DType type) const {
  return type == core::DType::bf16 ? bf16_ : fp32_;
}

const kernels::cpu::MemoryRates& Roofs::memory(double bytes) {
  const int log =
      std::clamp(static_cast<int>(std::log2(std::max(bytes, 1.0))), kSmallest, kLargest);
  auto known = memory_.find(log);
  if (known == memory_.end()) {
    const auto size = std::size_t{1} << static_cast<unsigned>(log);
    known = memory_.emplace(log, kernels::cpu::measure_memory(threads_, size)).first;
  }
  return known->second;
}

const kernels::cpu::MemoryRates& Roofs::main_memory() {
  return memory(std::ldexp(1.0, kLargest));
}

double Roofs::memory_roof(const kernels::OpCost& cost) {
  const kernels::cpu::MemoryRates& rates = memory(cost.bytes());
  switch (cost.traffic) {
    case kernels::Traffic::reads:
      return rates.read;
    case kernels::Traffic::in_place:
      return std::max({rates.read, rates.copy, rates.triad, rates.in_place});
    case kernels::Traffic::streams:
      break;
  }
  return std::max({rates.read, rates.copy, rates.triad});
}

Judged Roofs::judge(const kernels::OpCost& cost, double seconds) {
  const double top = peak(cost.type);
  const double memory = memory_roof(cost);
  const bool arithmetic = top > 0.0 && cost.flops / top >= cost.bytes() / memory;
  Judged judged;
  judged.unit = arithmetic ? "GFLOP/s" : "GB/s";
  judged.roof = 1e-9 * (arithmetic ? top : memory);
  judged.value = 1e-9 * (arithmetic ? cost.flops : cost.bytes()) / std::max(seconds, 1e-12);
  judged.share = judged.value / judged.roof;
  return judged;
}

}  // namespace epi::launch
