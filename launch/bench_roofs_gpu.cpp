#include "bench_roofs_gpu.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "bench_operands.hpp"
#include "core/buffer.hpp"

namespace epi::launch {
namespace {

using core::DType;
using core::Tensor;

constexpr std::int64_t kAligned = 64;  // elements: as tensors of their own would lie
constexpr int kProductCalls = 5, kMemoryCalls = 10;

/// TFLOP/s without sparsity, from NVIDIA's data sheets. The first name that a device's name starts
/// with counts, so longer ones stand before shorter ones.
struct Sheet {
  std::string_view name;
  double bf16, fp32;
};
constexpr std::array kSheets{
    Sheet{"NVIDIA B200", 2250, 75},      Sheet{"NVIDIA GH200", 989, 67},
    Sheet{"NVIDIA H200 NVL", 835, 60},   Sheet{"NVIDIA H200", 989, 67},
    Sheet{"NVIDIA H100 NVL", 835, 60},   Sheet{"NVIDIA H100 PCIe", 756, 51},
    Sheet{"NVIDIA H100", 989, 67},       Sheet{"NVIDIA A100", 312, 19.5},
    Sheet{"NVIDIA A30", 165, 10.3},      Sheet{"NVIDIA A10", 125, 31.2},
    Sheet{"NVIDIA A40", 149.7, 37.4},    Sheet{"NVIDIA L40S", 362, 91.6},
    Sheet{"NVIDIA L40", 181, 90.5},      Sheet{"NVIDIA L4", 121, 30.3},
    Sheet{"NVIDIA RTX A6000", 155, 38.7}};

class OpsRoofs final : public RoofSource {
 public:
  OpsRoofs(kernels::Ops& ops, core::Stream& stream, const std::string& gpu_name,
           const RoofSizes& sizes)
      : ops_(ops), stream_(stream), nominal_(data_sheet(gpu_name)), sizes_(sizes) {}

  Peaks measure_peaks() override {
    Peaks peaks{product(DType::f32, sizes_.product / 2), 0.0};
    if (ops_.takes(DType::bf16)) peaks.bf16 = product(DType::bf16, sizes_.product);
    return peaks;
  }

  kernels::cpu::MemoryRates measure_memory(std::size_t bytes) override {
    kernels::cpu::MemoryRates rates;
    const auto floats = static_cast<std::int64_t>(bytes / sizeof(float));
    const double moved = 4.0 * static_cast<double>(floats);
    const Tensor all = random_tensor(DType::f32, {floats}, 1, 1.0F, stream_);
    const Tensor sum(DType::f64, {1}, stream_.device());
    const core::View half1 = all.view().slice(0, floats / 2);
    const core::View half2 = all.view().slice(floats / 2, floats / 2);
    const std::int64_t third = floats / 3 / kAligned * kAligned;
    const core::View a = all.view().slice(0, third);
    const core::View b = all.view().slice(third, third);
    const core::View c = all.view().slice(2 * third, third);
    rates.read = moved / best(kMemoryCalls, [&] { ops_.sum_squares({all, sum}, stream_); });
    rates.copy = moved / best(kMemoryCalls, [&] { core::copy(half2, half1, stream_); });
    rates.triad = moved / best(kMemoryCalls, [&] { ops_.combine({a, b, c}, stream_); });
    rates.in_place = 1.5 * moved / best(kMemoryCalls, [&] {
                       ops_.combine({half1, half2, half1}, stream_);
                     });
    return rates;
  }

  [[nodiscard]] int largest_log() const override { return sizes_.largest_log; }
  [[nodiscard]] Peaks nominal() const override { return nominal_; }

 private:
  /// Seconds of the fastest call, by the device's clock; the first one warms up.
  template <class Work>
  double best(int calls, const Work& work) {
    core::Mark begin(stream_.device()), end(stream_.device());
    double seconds = 1e30;
    for (int i = 0; i <= calls; ++i) {
      begin.set(stream_);
      work();
      end.set(stream_);
      end.synchronize();
      if (i > 0) seconds = std::min(seconds, end.seconds_since(begin));
    }
    return std::max(seconds, 1e-9);
  }

  double product(DType type, std::int64_t n) {
    const Tensor x = random_tensor(type, {n, n}, 2, 1.0F, stream_);
    const Tensor w = random_tensor(ops_.weights_type(type), {n, n}, 3, 0.02F, stream_);
    const Tensor y(type, {n, n}, stream_.device());
    const double flops = 2.0 * static_cast<double>(n) * static_cast<double>(n * n);
    return flops / best(kProductCalls, [&] { ops_.linear({.x = x, .w = w, .y = y}, stream_); });
  }

  kernels::Ops& ops_;
  core::Stream& stream_;
  Peaks nominal_;
  RoofSizes sizes_;
};

}  // namespace

std::unique_ptr<RoofSource> make_ops_roofs(kernels::Ops& ops, core::Stream& stream,
                                           const std::string& gpu_name, const RoofSizes& sizes) {
  return std::make_unique<OpsRoofs>(ops, stream, gpu_name, sizes);
}

Peaks data_sheet(const std::string& gpu_name) {
  for (const Sheet& sheet : kSheets) {
    if (gpu_name.starts_with(sheet.name)) return {1e12 * sheet.fp32, 1e12 * sheet.bf16};
  }
  return {};
}

}  // namespace epi::launch
