// One training step on synthetic input, timed part by part, beside the arithmetic peak of the same
// machine at the same moment.
#pragma once

#include <cstdint>
#include <string>

#include "core/log.hpp"

namespace epi::launch {

struct BenchOptions {
  std::string model = "base";
  std::string precision = "fp32";
  std::int64_t batch = 1;     ///< windows in a micro-batch
  std::int32_t tokens = 512;  ///< T, with [CLS] and [SEP]
  std::int64_t steps = 5;     ///< timed; one more warms up
  int threads = 0;            ///< 0: the affinity mask, capped by OMP_NUM_THREADS
  bool json = false;
};

struct BenchResult {
  std::string kernels;  ///< instruction set and threads
  int threads = 1;
  std::int64_t parameters = 0;
  double loss = 0.0;          ///< of the last step, nats: shows that the step was a real one
  double tokens_per_s = 0.0;  ///< of the median step
  double gflop_per_s = 0.0;   ///< model FLOPs only (model::flops_per_token)
  double peak_gflop_per_s = 0.0;
  double assemble_s = 0.0, forward_s = 0.0, backward_s = 0.0, exchange_s = 0.0, update_s = 0.0;
  double step_s = 0.0;  ///< median of the timed steps; the parts are that step's own
  double peak_memory_mib = 0.0;
};

/// UsageError for an unknown precision, ConfigError for an unknown model.
[[nodiscard]] BenchResult bench_step(const BenchOptions& options, const core::Log& log);

}  // namespace epi::launch
