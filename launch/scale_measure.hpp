// One number of ranks of a scaling study: steps as runs take them, each rank's share of them
// without the sums, and the sums alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "session.hpp"
#include "train/scaling_point.hpp"

namespace epi::launch {

struct ScaleOptions {
  std::string out;  ///< folder of the study
  std::vector<int> ranks{1, 2};
  std::string launcher;  ///< "": chosen by where we are
  std::vector<train::ScalingKind> kinds{train::ScalingKind::weak, train::ScalingKind::strong};
  std::string model = "base";
  std::int64_t micro_batch = 1;   ///< windows
  std::int64_t batch = 0;         ///< windows per rank and weak step; 0: a micro-batch
  std::int64_t global_batch = 0;  ///< windows per strong step; 0: a micro-batch for each rank of
                                  ///< the largest number
  std::int32_t tokens = 512;      ///< in a window
  std::string precision = "auto";
  std::string device = "auto";  ///< auto, cpu or cuda
  int threads = 0;              ///< per rank
  std::int64_t steps = 2;       ///< timed in a round
  std::int64_t rounds = 8;
  std::string networks;              ///< file; "": the built-in table
  double device_tokens_per_s = 0.0;  ///< 0: none

  [[nodiscard]] std::int64_t windows_per_rank() const { return batch > 0 ? batch : micro_batch; }
  [[nodiscard]] std::int64_t strong_windows() const;
};

/// UsageError where this many ranks cannot share the steps evenly.
void check_windows(const ScaleOptions& options, int ranks);

/// Measures over the session's ranks. Collective; rank 0's result counts. UsageError, and what
/// training steps throw.
[[nodiscard]] train::ScalingPoint measure_scaling(const ScaleOptions& options, Session& session);

}  // namespace epi::launch
