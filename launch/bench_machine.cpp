#include "bench_machine.hpp"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/bf16.hpp"
#include "core/philox.hpp"
#include "dist/communicator.hpp"

namespace epi::launch {
namespace {

// So many numbers are drawn, then repeated: more than a core's caches tell apart, and quick.
constexpr std::int64_t kDrawn = 1 << 16;

/// About normal: the sum of four uniform numbers, centred, with deviation 1.
float draw(std::uint32_t tensor, std::int64_t i) {
  const core::PhiloxBlock words =
      core::philox(1, core::RandomUse::test, {static_cast<std::uint32_t>(i), tensor, 0, 1});
  float sum = -2.0F;
  for (const std::uint32_t word : words) sum += core::uniform_float(word);
  return sum * std::sqrt(3.0F);
}

void fill(const core::View& view, std::uint32_t tensor, float scale) {
  const std::int64_t drawn = std::min(kDrawn, view.size());
  for (std::int64_t i = 0; i < drawn; ++i) {
    const float number = scale * draw(tensor, i);
    if (view.dtype() == core::DType::bf16) {
      view.as<core::BFloat16>()[i] = core::to_bf16(number);
    } else {
      view.as<float>()[i] = number;
    }
  }
  const std::size_t chunk = static_cast<std::size_t>(drawn) * core::size_of(view.dtype());
  for (std::size_t at = chunk; at < view.bytes(); at += chunk) {
    std::memcpy(view.raw() + at, view.raw(), std::min(chunk, view.bytes() - at));
  }
}

}  // namespace

void add_machine_options(CLI::App& verb, MachineOptions& options) {
  add_precision_option(verb, options.precision);
  verb.add_option("--threads", options.threads, "0: as many as this process may use")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--seconds", options.seconds, "Repeat each call for so long")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_flag("--json", options.json, "Print JSON");
}

void add_precision_option(CLI::App& verb, std::string& precision) {
  verb.add_option("--precision", precision, "auto, fp32 or bf16: type of activations")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}));
}

train::PrecisionChoice precision_of(const std::string& precision, const kernels::Ops& ops) {
  using train::Precision;
  const Precision wished = precision == "fp32"   ? Precision::fp32
                           : precision == "bf16" ? Precision::bf16
                                                 : Precision::automatic;
  return train::choose_precision(wished, ops, *dist::make_solo());
}

int threads_of(const kernels::Ops& ops) {
  const std::string text = ops.description();
  const std::size_t digits = text.find_last_of("0123456789");
  if (digits == std::string::npos) return 1;
  const std::size_t first = text.find_last_not_of("0123456789", digits) + 1;
  int threads = 1;
  std::from_chars(text.data() + first, text.data() + digits + 1, threads);
  return threads;
}

double peak_memory_mib() {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;  // Linux counts in KiB
}

Machine::Machine(const MachineOptions& options)
    : ops_(kernels::make_cpu_ops(options.threads)),
      precision_(precision_of(options.precision, *ops_)),
      seconds_(options.seconds),
      roofs_(threads_of(*ops_)) {}

core::Tensor Machine::activations(std::initializer_list<std::int64_t> shape, float scale) {
  core::Tensor tensor(precision_.activations, shape);
  fill(tensor, tensors_++, scale);
  return tensor;
}

core::Tensor Machine::numbers(std::initializer_list<std::int64_t> shape, float scale) {
  core::Tensor tensor(core::DType::f32, shape);
  fill(tensor, tensors_++, scale);
  return tensor;
}

core::Tensor Machine::room(std::initializer_list<std::int64_t> shape) const {
  return {precision_.activations, shape};
}

BenchReport Machine::report(const std::string& bench) const {
  return BenchReport(bench, {{"precision", precision_.name},
                             {"kernels", ops_->description()},
                             {"threads", threads_of(*ops_)}});
}

}  // namespace epi::launch
