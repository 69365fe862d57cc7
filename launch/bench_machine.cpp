#include "bench_machine.hpp"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "bench_roofs_gpu.hpp"
#include "core/error.hpp"
#include "dist/communicator.hpp"

namespace epi::launch {
namespace {

/// N of "cuda:N", 0 of "cuda"; -1 of anything else.
int cuda_index(const std::string& device) {
  if (device == "cuda") return 0;
  if (!device.starts_with("cuda:")) return -1;
  int index = -1;
  const char* const end = device.data() + device.size();
  const auto [at, error] = std::from_chars(device.data() + 5, end, index);
  return error == std::errc() && at == end ? index : -1;
}

}  // namespace

void add_machine_options(CLI::App& verb, MachineOptions& options) {
  add_device_option(verb, options.device);
  add_precision_option(verb, options.precision);
  verb.add_option("--threads", options.threads, "0: as many as this process may use")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb.add_option("--seconds", options.seconds, "Repeat each call for so long")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  add_json_option(verb, options.json);
}

void add_device_option(CLI::App& verb, std::string& device) {
  verb.add_option("--device", device, "auto (a GPU where there is one), cpu, cuda or cuda:N")
      ->capture_default_str();
}

void add_json_option(CLI::App& verb, JsonOutput& json) {
  verb.add_option_function<std::vector<std::string>>(
          "--json",
          [&json](const std::vector<std::string>& values) {
            json.wanted = true;
            if (!values.empty()) json.file = values.front();
          },
          "Print JSON; with FILE: write it there and print the table")
      ->expected(0, 1)
      ->option_text("[FILE]");
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

std::unique_ptr<kernels::Ops> make_ops(const std::string& device, int threads,
                                       Algorithms algorithms) {
  const bool gpu = device == "auto" && core::cuda_device_count() > 0;
  if (device == "cpu" || (device == "auto" && !gpu)) return kernels::make_cpu_ops(threads);
  const int index = gpu ? 0 : cuda_index(device);
  if (index >= 0) {
    return kernels::make_cuda_ops(
        {.device = index, .reproducible = algorithms == Algorithms::first});
  }
  throw core::UsageError("--device " + device + ": expected auto, cpu, cuda or cuda:N");
}

std::unique_ptr<RoofSource> make_roofs(kernels::Ops& ops, core::Stream& stream) {
  if (ops.device() == core::kCpu) return make_cpu_roofs(threads_of(ops));
  return make_ops_roofs(ops, stream, core::cuda_properties(ops.device().index).name);
}

int threads_of(const kernels::Ops& ops) {
  if (ops.device() != core::kCpu) return 1;
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
    : ops_(make_ops(options.device, options.threads)),
      stream_(ops_->device()),
      precision_(precision_of(options.precision, *ops_)),
      seconds_(options.seconds),
      roofs_(make_roofs(*ops_, stream_)) {}

core::Tensor Machine::activations(std::initializer_list<std::int64_t> shape, float scale) {
  return random_tensor(precision_.activations, shape, tensors_++, scale, stream_);
}

core::Tensor Machine::numbers(std::initializer_list<std::int64_t> shape, float scale) {
  return random_tensor(core::DType::f32, shape, tensors_++, scale, stream_);
}

core::Tensor Machine::weights(std::initializer_list<std::int64_t> shape, float scale) {
  return random_tensor(ops_->weights_type(precision_.activations), shape, tensors_++, scale,
                       stream_);
}

core::Tensor Machine::room(std::initializer_list<std::int64_t> shape) const {
  return room(precision_.activations, shape);
}

core::Tensor Machine::room(core::DType type, std::initializer_list<std::int64_t> shape) const {
  return {type, shape, ops_->device()};
}

BenchReport Machine::report(const std::string& bench) const {
  return BenchReport(bench, {{"precision", precision_.name},
                             {"kernels", ops_->description()},
                             {"threads", threads_of(*ops_)}});
}

}  // namespace epi::launch
