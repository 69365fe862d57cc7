// From measured numbers of ranks to those that nobody has at hand. A step costs what each rank
// computes, measured without the others' sums, and what of the sums of gradients is not hidden
// behind backward, by the cost model of dist. Beside each measured step stands what the model
// says of it, so that everybody sees how far to trust it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dist/cost_model.hpp"
#include "train/scaling_point.hpp"

namespace epi::train {

/// One kind of steps at one number of ranks.
struct ScalingRow {
  ScalingSteps steps;
  int ranks = 1;
  double tokens_per_s = 0.0;
  double efficiency = 1.0;   ///< tokens_per_s of a rank over that of the smallest number of ranks
  double predicted_s = 0.0;  ///< of the step
  double predicted_exposed_s = 0.0;
  /// (predicted - measured) / measured.
  [[nodiscard]] double error() const { return predicted_s / steps.step_s - 1.0; }
};

struct ScalingStudy {
  ScalingSetting setting;
  std::vector<ScalingPoint> points;        ///< by rising number of ranks
  std::optional<dist::FittedNetwork> fit;  ///< of all measured sums; absent when there are none
  std::vector<ScalingRow> rows;            ///< weak before strong, by rising number of ranks
  /// Rows of one kind.
  [[nodiscard]] std::vector<ScalingRow> rows_of(ScalingKind kind) const;
};

/// What the points show; requires at least one.
[[nodiscard]] ScalingStudy study_of(std::vector<ScalingPoint> points);

/// Seconds of sums that backward does not hide. Bucket i is ready when backward has passed its
/// bytes, is summed after bucket i-1, and takes `seconds_of(bytes)`. All of them when nothing
/// overlaps (then backward_s is 0).
[[nodiscard]] double exposed_seconds(std::span<const double> buckets, double backward_s,
                                     const std::function<double(double)>& seconds_of);

/// One rank's share of a step.
struct AloneStep {
  double seconds = 0.0;  ///< without the sums
  double tokens = 0.0;
  double gradient_bytes = 0.0;
  bool overlaps = false;  ///< whether sums go on while it computes
};

struct PredictedStep {
  double step_s = 0.0, exchange_s = 0.0, exposed_s = 0.0;
};

/// A step of `ranks` that each do `alone` (weak scaling), with buckets of ten latencies' worth of
/// bytes and a last one of an eighth. Backward is two thirds of `alone`.
[[nodiscard]] PredictedStep predicted_step(const AloneStep& alone, dist::Allreduce algorithm,
                                           const dist::Network& network, int ranks);
/// The algorithm with the shortest step.
[[nodiscard]] dist::Allreduce best_allreduce(const AloneStep& alone, const dist::Network& network,
                                             int ranks);
/// Of all ranks together, by the best algorithm.
[[nodiscard]] double predicted_tokens_per_s(const AloneStep& alone, const dist::Network& network,
                                            int ranks);

/// A rank of this study as it works in weak scaling, on the fullest node that was measured; the
/// largest strong one where nothing else was.
[[nodiscard]] AloneStep alone_step(const ScalingStudy& study);

/// One pass over hg19 and 127 cell types in non-overlapping 6-mers: 506 M tokens a genome.
inline constexpr double kReferenceTokens = 64.3e9;
/// Published for one CS-1 and for a cluster of 16 GPU nodes, without the number of tokens.
inline constexpr double kCs1Days = 2.5, kClusterDays = 24.0;

/// `alone` with a model of base size in place of the study's, at the same rate of operations;
/// itself where the study's is the base model in windows of 512.
[[nodiscard]] AloneStep at_base_size(const AloneStep& alone, const ScalingSetting& setting);
/// A device that reaches so many tokens/s alone with the base model in steps of 32,768 tokens, and
/// sums f32 gradients while it computes.
[[nodiscard]] AloneStep device_at_base_size(double tokens_per_s);

/// Days of the reference job on so many ranks.
[[nodiscard]] double reference_days(const AloneStep& alone, const dist::Network& network,
                                    int ranks);
/// The least number of ranks that finish it in so many days; absent where 2^20 do not.
[[nodiscard]] std::optional<int> ranks_for(double days, const AloneStep& alone,
                                           const dist::Network& network);

}  // namespace epi::train
