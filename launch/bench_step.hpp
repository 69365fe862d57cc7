// One training step on synthetic input, timed part by part and, if asked for, op by op, beside the
// roofs of the same machine at the same moment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench_report.hpp"
#include "bench_roofs.hpp"
#include "core/log.hpp"
#include "kernels/profile.hpp"
#include "model/execution.hpp"
#include "model/model_config.hpp"

namespace epi::launch {

/// How much of a step is taken.
enum class Pass : std::uint8_t {
  step,     ///< all of it
  forward,  ///< assembling and the losses; no gradients and no optimizer state in memory
};

struct BenchOptions {
  std::string model = "base";
  std::string precision = "auto";  ///< auto, fp32 or bf16
  model::Recompute recompute = model::Recompute::none;
  Pass pass = Pass::step;
  std::int64_t batch = 1;          ///< windows in a micro-batch
  std::int64_t micro_batches = 1;  ///< in a step; more than one only as_trained
  std::int32_t tokens = 512;       ///< T, with [CLS] and [SEP]
  std::int64_t steps = 5;          ///< timed
  std::int64_t warmup = 1;         ///< steps before these
  double dropout = 0.0;
  std::string device = "auto";  ///< auto, cpu, cuda or cuda:N
  bool reproducible = false;    ///< products do not cut their inner dimension
  bool as_trained = false;      ///< through train::TrainingStep, as a whole; always on GPUs
  int threads = 0;              ///< 0: the affinity mask, capped by OMP_NUM_THREADS
  bool profile = false;         ///< times each op
  JsonOutput json;
};

/// A part of the step and its ops, which are empty unless BenchOptions::profile.
struct PhaseProfile {
  std::string name;  ///< as train::name_of
  double seconds = 0.0;
  kernels::Profile ops;
};

struct BenchResult {
  std::string kernels;    ///< instruction set and threads
  std::string precision;  ///< fp32 or bf16: what was taken
  int threads = 1;
  std::int64_t parameters = 0;
  double loss = 0.0;                 ///< of the last step, nats: shows that the step was a real one
  double tokens_per_s = 0.0;         ///< of the median step
  double gflop_per_s = 0.0;          ///< model FLOPs only (model::flops_per_token)
  double peak_gflop_per_s = 0.0;     ///< measured
  double nominal_gflop_per_s = 0.0;  ///< the maker's, else measured: what MFU is stated against
  double step_s = 0.0;               ///< median of the timed steps
  double best_s = 0.0;               ///< the fastest of them
  std::vector<PhaseProfile> phases;  ///< of the median step, in its order
  double activation_mib = 0.0;       ///< what the model holds for activations and their gradients
  double peak_memory_mib = 0.0;      ///< of the whole process
  double device_memory_mib = 0.0;    ///< what is taken of a GPU's memory; 0 on the CPU
  std::shared_ptr<Roofs> roofs;      ///< of this run
};

/// The model that the options name, with the corpus' states.
[[nodiscard]] model::ModelConfig bench_model(const BenchOptions& options,
                                             const kernels::TokenSpec& tokens);

/// ConfigError for an unknown model, and for bf16 where this machine has none.
[[nodiscard]] BenchResult bench_step(const BenchOptions& options, const core::Log& log);

}  // namespace epi::launch
