// What a pre-training run is made of: every key of CONFIG.toml, checked. docs say what each means;
// this is where defaults and bounds live.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/config.hpp"
#include "dist/transport.hpp"
#include "kernels/tokens.hpp"
#include "model/masked_model.hpp"
#include "train/device.hpp"
#include "train/precision.hpp"
#include "train/schedule.hpp"

namespace epi::train {

struct OptimizerConfig {
  kernels::Optimizer kind = kernels::Optimizer::adamw;
  double beta1 = 0.9;
  double beta2 = 0.98;
  double epsilon = 1e-6;
  double weight_decay = 0.01;
  double max_gradient_norm = 1.0;  ///< 0: never clip
};

/// Steps first..last of a run, counted from 1; none when last is 0.
struct StepRange {
  std::int64_t first = 0, last = 0;
  [[nodiscard]] bool holds(std::int64_t step) const { return step >= first && step <= last; }
};

struct TrainConfig {
  std::int64_t steps = 10000;      ///< optimizer steps of the run
  std::int64_t global_batch = 64;  ///< windows per optimizer step, over all ranks
  std::int64_t micro_batch = 8;    ///< windows per canonical micro-batch; part of the mathematics
  std::uint64_t seed = 1;
  DeviceWish device = DeviceWish::automatic;            ///< where the run computes
  int threads = 0;                                      ///< per rank; 0: see threads_per_rank
  Precision precision = Precision::automatic;           ///< of activations and products
  model::Recompute recompute = model::Recompute::none;  ///< memory for time
  bool graph = true;  ///< steps of a GPU are recorded once and replayed
  /// The same bits on 1, 2, 4, 8, ... ranks with any numbers of threads: see docs/reproducible.md.
  bool reproducible = false;
  bool shard_optimizer = false;  ///< each rank keeps and updates its share of the moments (ZeRO-1)
  double bucket_mb = 0.0;  ///< of gradients' exchange, in 10^6 bytes; 0: measured at the start
  std::int64_t replica_check_every = 1000;  ///< steps between comparisons of weights; 0: never
  double max_time_s = 0.0;     ///< stop after so long, as on a signal; 0: when the job's time ends
  double stop_margin_s = 120;  ///< so long before the job's end at the latest
  StepRange trace;             ///< steps to record what happened when; see trace.hpp
  dist::Transport exchange = dist::Transport::automatic;  ///< between GPUs
  core::DType exchange_precision = core::DType::f32;      ///< of gradients on their way; or bf16
  double hang_timeout_s = 1800.0;                         ///< 0: never
  bool jitter = true;
  bool reverse_complement = true;

  /// Per optimizer step, over all ranks.
  [[nodiscard]] std::int64_t micro_batches() const { return global_batch / micro_batch; }
};

struct RunConfig {
  std::string store;                  ///< [data] store
  double min_acgt = 0.5;              ///< [data] share of A C G T that a window needs
  std::int64_t cells_per_window = 0;  ///< [data] cell types per window and epoch; 0: all
  kernels::TokenSpec tokens;          ///< [tokens]
  kernels::MaskSpec masks;            ///< [mask]; an objective of weight 0 has its rate set to 0
  model::ModelConfig model;           ///< [model]; num_states comes from the store
  double dna_weight = 1.0;            ///< [objective]
  double state_weight = 1.0;
  OptimizerConfig optimizer;          ///< [optimizer], without learning_rate: that is schedule.peak
  Schedule schedule;                  ///< [schedule]
  TrainConfig train;                  ///< [train]
  std::int64_t evaluate_every = 500;  ///< [evaluate] every, in steps; 0: only at the end
  std::int64_t evaluate_windows = 256;  ///< [evaluate] windows x cell types; 0: all
  std::int64_t checkpoint_every = 500;  ///< [checkpoint] every; 0: only at the end
  std::int64_t checkpoint_keep = 2;     ///< [checkpoint] keep
  bool checkpoint_asynchronous =
      true;                     ///< [checkpoint] asynchronous: steps go on while it is written
  std::int64_t log_every = 10;  ///< [log] every
  std::string resolved;         ///< every key with its value, as TOML
};

/// Reads and checks every key, and refuses unknown ones. ConfigError "FILE:LINE: ..." names the
/// key, what was found and what is expected.
[[nodiscard]] RunConfig read_run_config(core::Config& config);

/// ConfigError where train.shard_optimizer does not go with another key.
void check_sharding(const RunConfig& config);

/// Keys that change the mathematics with their values, in a fixed order: a run may only be resumed
/// with equal ones. Number of steps, cadences, device, threads, precision, exchange,
/// recomputation and the store's path are not among them.
using Identity = std::vector<std::pair<std::string, std::string>>;
/// What a checkpoint remembers of its configuration.
[[nodiscard]] Identity identity_of(const RunConfig& config);

/// Sets what a checkpoint's program did where its configuration could not say so: settings that
/// came later and whose default is another.
void take_older_defaults(const Identity& identity, RunConfig& config);

/// ConfigError naming the first key that differs, with both values. Keys that `before` lacks are
/// younger than its checkpoint: the run had the value that stands for not having them.
void check_same(const Identity& before, const Identity& now);

}  // namespace epi::train
