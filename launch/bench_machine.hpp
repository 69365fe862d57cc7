// What the benches of single ops share: a back end, its roofs, random operands, and the clock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench_clock.hpp"
#include "bench_operands.hpp"
#include "bench_report.hpp"
#include "bench_roofs.hpp"
#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "train/precision.hpp"

namespace CLI {
class App;
}

namespace epi::launch {

/// Options that each of these benches has.
struct MachineOptions {
  std::string device = "auto";     ///< auto, cpu, cuda or cuda:N
  std::string precision = "auto";  ///< of activations: auto, fp32 or bf16
  int threads = 0;                 ///< 0: the affinity mask, capped by OMP_NUM_THREADS
  double seconds = 0.5;            ///< of repetitions for each row
  JsonOutput json;
};

/// --device, --precision, --threads, --seconds and --json.
void add_machine_options(CLI::App& verb, MachineOptions& options);

/// --precision alone, as all benches word it.
void add_precision_option(CLI::App& verb, std::string& precision);
/// --device alone.
void add_device_option(CLI::App& verb, std::string& device);
/// --json [FILE].
void add_json_option(CLI::App& verb, JsonOutput& json);

/// How products on a GPU take their algorithm: the fastest, or as reproducible runs do.
enum class Algorithms : std::uint8_t { timed, first };

/// The back end of `device`; auto takes the first GPU where there is one. DeviceError where there
/// is no such device, UsageError for another text.
[[nodiscard]] std::unique_ptr<kernels::Ops> make_ops(const std::string& device, int threads,
                                                     Algorithms algorithms = Algorithms::timed);
/// The roofs of that back end; `ops` and `stream` must outlive them.
[[nodiscard]] std::unique_ptr<RoofSource> make_roofs(kernels::Ops& ops, core::Stream& stream);

/// As a run chooses: auto takes bf16 where there are instructions for it, and says why. ConfigError
/// for bf16 where there are none.
[[nodiscard]] train::PrecisionChoice precision_of(const std::string& precision,
                                                  const kernels::Ops& ops);
/// Threads of the CPU's back end, whose description names them; 1 for others.
[[nodiscard]] int threads_of(const kernels::Ops& ops);
/// Largest resident set of this process so far, in 2^20 bytes.
[[nodiscard]] double peak_memory_mib();

class Machine {
 public:
  /// Starts the threads and measures the peaks. ConfigError as precision_of.
  explicit Machine(const MachineOptions& options);

  /// A tensor of activations: normal numbers times `scale`.
  [[nodiscard]] core::Tensor activations(std::initializer_list<std::int64_t> shape,
                                         float scale = 1.0F);
  /// The same in f32: parameters, gradients, moments.
  [[nodiscard]] core::Tensor numbers(std::initializer_list<std::int64_t> shape, float scale = 1.0F);
  /// The same in the type in which products take weights.
  [[nodiscard]] core::Tensor weights(std::initializer_list<std::int64_t> shape, float scale = 1.0F);
  /// Zeroed memory of the activations' type, or of another.
  [[nodiscard]] core::Tensor room(std::initializer_list<std::int64_t> shape) const;
  [[nodiscard]] core::Tensor room(core::DType type,
                                  std::initializer_list<std::int64_t> shape) const;

  /// A row of the report: one entry of Ops on these operands, over and over.
  template <class Args>
  [[nodiscard]] BenchRow time(const std::string& part, const Args& args,
                              void (kernels::Ops::*entry)(const Args&, core::Stream&)) {
    return {part, kernels::cost(args),
            time_repeated(stream_, seconds_, [&] { ((*ops_).*entry)(args, stream_); })};
  }

  /// Columns of a row of activations where a product ends with so many.
  [[nodiscard]] std::int64_t row_width(std::int64_t columns) const {
    return ops_->row_width(columns, precision_.activations);
  }
  [[nodiscard]] kernels::Ops& ops() { return *ops_; }
  [[nodiscard]] core::Stream& stream() { return stream_; }
  [[nodiscard]] Roofs& roofs() { return roofs_; }
  [[nodiscard]] const train::PrecisionChoice& precision() const { return precision_; }
  /// The facts that stand at the head of each report.
  [[nodiscard]] BenchReport report(const std::string& bench) const;

 private:
  std::unique_ptr<kernels::Ops> ops_;
  core::Stream stream_;
  train::PrecisionChoice precision_;
  double seconds_;
  Roofs roofs_;
  std::uint32_t tensors_ = 0;  ///< so far: each has numbers of its own
};

}  // namespace epi::launch
