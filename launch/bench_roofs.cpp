#include "bench_roofs.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace epi::launch {
namespace {

constexpr int kSmallest = 16;    // logarithm of 64 KiB
constexpr int kLargestCpu = 28;  // of 256 MiB

class CpuRoofs final : public RoofSource {
 public:
  explicit CpuRoofs(int threads) : threads_(threads) {}

  Peaks measure_peaks() override {
    return {kernels::cpu::measure_peak(threads_), kernels::cpu::measure_peak_bf16(threads_)};
  }
  kernels::cpu::MemoryRates measure_memory(std::size_t bytes) override {
    return kernels::cpu::measure_memory(threads_, bytes);
  }
  [[nodiscard]] int largest_log() const override { return kLargestCpu; }
  // Clocks under load are no maker's figure.
  [[nodiscard]] Peaks nominal() const override { return {}; }

 private:
  int threads_;
};

}  // namespace

std::unique_ptr<RoofSource> make_cpu_roofs(int threads) {
  return std::make_unique<CpuRoofs>(threads);
}

Roofs::Roofs(std::unique_ptr<RoofSource> source) : source_(std::move(source)) {
  measure_again();
}

void Roofs::measure_again() {
  const Peaks now = source_->measure_peaks();
  peaks_ = {std::max(peaks_.fp32, now.fp32), std::max(peaks_.bf16, now.bf16)};
}

bool Roofs::nominal_known(core::DType type) const {
  return source_->nominal().of(type) > 0.0;
}

double Roofs::nominal_peak(core::DType type) const {
  return nominal_known(type) ? source_->nominal().of(type) : peak(type);
}

const kernels::cpu::MemoryRates& Roofs::memory(double bytes) {
  const int log = std::clamp(static_cast<int>(std::log2(std::max(bytes, 1.0))), kSmallest,
                             source_->largest_log());
  auto known = memory_.find(log);
  if (known == memory_.end()) {
    const auto size = std::size_t{1} << static_cast<unsigned>(log);
    known = memory_.emplace(log, source_->measure_memory(size)).first;
  }
  return known->second;
}

const kernels::cpu::MemoryRates& Roofs::main_memory() {
  return memory(std::ldexp(1.0, source_->largest_log()));
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
