// What the benches of single ops share: a back end, its roofs, random operands, and the clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

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
  std::string precision = "auto";  ///< of activations: auto, fp32 or bf16
  int threads = 0;                 ///< 0: the affinity mask, capped by OMP_NUM_THREADS
  double seconds = 0.5;            ///< of repetitions for each row
  bool json = false;
};

/// --precision, --threads, --seconds and --json.
void add_machine_options(CLI::App& verb, MachineOptions& options);

/// --precision alone, as all benches word it.
void add_precision_option(CLI::App& verb, std::string& precision);
/// As a run chooses: auto takes bf16 where there are instructions for it, and says why. ConfigError
/// for bf16 where there are none.
[[nodiscard]] train::PrecisionChoice precision_of(const std::string& precision,
                                                  const kernels::Ops& ops);
/// Threads of a back end; its description names them.
[[nodiscard]] int threads_of(const kernels::Ops& ops);
/// Largest resident set of this process so far, in 2^20 bytes.
[[nodiscard]] double peak_memory_mib();

/// Seconds that `work` takes, once to warm up (first calls plan and allocate) and then until
/// `budget_s` is spent, at least three times.
template <class Work>
[[nodiscard]] RepeatedTimes time_repeated(double budget_s, const Work& work) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kLeast = 3, kMost = 10'000;
  work();
  std::vector<double> seconds;
  const auto begin = Clock::now();
  const auto since = [](Clock::time_point from) {
    return std::chrono::duration<double>(Clock::now() - from).count();
  };
  while (seconds.size() < kLeast || (since(begin) < budget_s && seconds.size() < kMost)) {
    const auto start = Clock::now();
    work();
    seconds.push_back(since(start));
  }
  return RepeatedTimes(std::move(seconds));
}

class Machine {
 public:
  /// Starts the threads and measures the peaks. ConfigError as precision_of.
  explicit Machine(const MachineOptions& options);

  /// A tensor of activations: normal numbers times `scale`, since zeros and equal numbers multiply
  /// faster than others on some processors.
  [[nodiscard]] core::Tensor activations(std::initializer_list<std::int64_t> shape,
                                         float scale = 1.0F);
  /// The same in f32: parameters, gradients, moments.
  [[nodiscard]] core::Tensor numbers(std::initializer_list<std::int64_t> shape, float scale = 1.0F);
  /// A tensor of the activations' type with nothing in it.
  [[nodiscard]] core::Tensor room(std::initializer_list<std::int64_t> shape) const;

  /// A row of the report: one entry of Ops on these operands, over and over.
  template <class Args>
  [[nodiscard]] BenchRow time(const std::string& part, const Args& args,
                              void (kernels::Ops::*entry)(const Args&, core::Stream&)) {
    return {part, kernels::cost(args),
            time_repeated(seconds_, [&] { ((*ops_).*entry)(args, stream_); })};
  }

  [[nodiscard]] kernels::Ops& ops() { return *ops_; }
  [[nodiscard]] Roofs& roofs() { return roofs_; }
  /// The facts that stand at the head of each report.
  [[nodiscard]] BenchReport report(const std::string& bench) const;

 private:
  std::unique_ptr<kernels::Ops> ops_;
  core::Stream stream_{core::kCpu};
  train::PrecisionChoice precision_;
  double seconds_;
  Roofs roofs_;
  std::uint32_t tensors_ = 0;  ///< so far: each has numbers of its own
};

}  // namespace epi::launch
