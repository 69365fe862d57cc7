// `epitrain evaluate`: how well a checkpoint predicts what it never saw, beside what counting alone
// achieves at the same hidden positions. Every target is hidden ([MASK], masked state), at
// positions that depend on nothing but the store and the configuration.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "data/store.hpp"
#include "dist/communicator.hpp"
#include "train/device.hpp"
#include "train/dna_baselines.hpp"
#include "train/precision.hpp"
#include "train/state_baselines.hpp"

namespace epi::train {

struct EvaluateOptions {
  std::filesystem::path run{};                   ///< the folder that `pretrain` wrote
  std::optional<std::filesystem::path> store{};  ///< where the store is now; default: as in the run
  bool other_store = false;  ///< `store` is meant to be another one than that of the training
  std::optional<std::filesystem::path> state_map{};  ///< its states to those of the training
  data::Split split = data::Split::valid;
  std::optional<std::int64_t> step{};  ///< default: the newest valid checkpoint
  std::int64_t windows = 0;            ///< windows x cell types per population; 0: as configured
  DeviceWish device = DeviceWish::automatic;
  int threads = 0;                       ///< per rank; 0: see threads_per_rank
  std::optional<Precision> precision{};  ///< default: train.precision of the run
};

/// Sums over hidden tokens; divide by `targets` or `hidden_bases`.
struct DnaTally {
  double targets = 0.0;
  double hidden_bases = 0.0;
  double nats = 0.0;     ///< of the model
  double correct = 0.0;  ///< tokens whose most likely k-mer is the true one
  DnaScores baselines{};

  /// The model's nats / hidden bases / ln 2.
  [[nodiscard]] double bits_per_base() const;
};

/// Sums over hidden bins.
struct StateTally {
  double targets = 0.0;
  double nats = 0.0;
  double correct = 0.0;
  double differing = 0.0;  ///< bins that differ from a visible neighbour
  double differing_correct = 0.0;
  std::array<double, kNumStateBaselines> baseline_nats{};
  std::array<double, kNumStateBaselines> baseline_correct{};
  std::array<double, kNumStateBaselines> baseline_differing_correct{};
  std::vector<double> confusion;  ///< [S][S] true state x answer of the model

  /// Mean F1 over the states that occur among targets or answers.
  [[nodiscard]] double macro_f1(std::int32_t num_states) const;
};

/// One cell of the table of seen and unseen chromosomes x cell types.
struct Population {
  bool seen_regions = false;  ///< training regions, or the held-out split's
  bool seen_cells = false;    ///< training cell types, or the held-out split's
  std::int64_t samples = 0;   ///< windows x cell types scored
  DnaTally repeats;           ///< tokens with more than half of their bases soft-masked
  DnaTally unique;
  StateTally states;
};

struct EvaluationReport {
  std::string checkpoint;
  std::int64_t step = 0;
  std::string other_store;  ///< path and fingerprint, when it is not the store of the training
  std::string precision;    ///< "fp32" or "bf16": of the forward passes
  data::Split split = data::Split::valid;
  std::int32_t num_states = 0;
  std::vector<Population> populations;
};

/// Collective: every rank calls it and gets the same report. Baselines are fitted on the training
/// regions and training cell types of the store. MissingError without a checkpoint, ConfigError
/// when the split holds nothing or the store is not the one that the run was trained on, see
/// evaluation_store.hpp.
[[nodiscard]] EvaluationReport evaluate(const EvaluateOptions& options, dist::Communicator& world,
                                        const core::Log& log);

/// For people, and for programs.
[[nodiscard]] std::string to_table(const EvaluationReport& report);
[[nodiscard]] std::string to_json(const EvaluationReport& report);

}  // namespace epi::train
