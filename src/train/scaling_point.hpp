// What one number of ranks was measured to do, as a file: a scaling study is a folder of them,
// which jobs of a cluster may write one by one. Format: SCALING_FORMAT.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "dist/cost_model.hpp"

namespace epi::train {

/// Weak: the same work for each rank. Strong: the same work for all together.
enum class ScalingKind : std::uint8_t { weak, strong };
/// "weak" or "strong".
[[nodiscard]] const char* name_of(ScalingKind kind);

/// Lower quartiles of the steps of one kind.
struct ScalingSteps {
  ScalingKind kind = ScalingKind::weak;
  std::int64_t windows = 0;  ///< per step, over all ranks
  double step_s = 0.0;       ///< as trained
  double alone_s = 0.0;     ///< each rank's work without the others' sums, all at once; the slowest
  double input_s = 0.0;     ///< of the step: assembling windows; 0 where a device does not tell
  double compute_s = 0.0;   ///< forward, backward, update
  double exchange_s = 0.0;  ///< in which gradients were on their way, hidden or not
  double exposed_s = 0.0;   ///< of the step: waiting for other ranks
};

/// What all points of a study share.
struct ScalingSetting {
  std::string program;           ///< version and revision
  std::string kernels;           ///< back end of a rank, with its threads
  std::string precision;         ///< of activations
  std::string model;             ///< tiny, small, base, large
  std::int64_t tokens = 0;       ///< in a window
  std::int64_t micro_batch = 0;  ///< windows
  std::int64_t parameters = 0;
  double flops_per_token = 0.0;  ///< model::flops_per_token
  double gradient_bytes = 0.0;   ///< as they travel
  bool overlaps = false;         ///< whether sums go on while the back end computes
};

struct ScalingPoint {
  ScalingSetting setting;
  int ranks = 1;
  int ranks_per_node = 1;                  ///< as started; of the fullest node
  std::string world;                       ///< "MPI, 4 ranks on 2 nodes"
  std::int64_t buckets = 0;                ///< sums of gradients in a step
  std::vector<dist::ExchangeSample> sums;  ///< measured alone; none for one rank
  std::vector<ScalingSteps> steps;         ///< one or both kinds
};

/// `steps` with what is left for compute; what is exposed of the exchange is never more than it.
[[nodiscard]] ScalingSteps with_compute(ScalingSteps steps);

/// The JSON text of a point.
[[nodiscard]] std::string text_of(const ScalingPoint& point);
/// Its inverse; FormatError naming `file` and what is wrong.
[[nodiscard]] ScalingPoint parse_scaling_point(const std::string& text, const std::string& file);

/// "ranks-0004.json".
[[nodiscard]] std::string scaling_file(int ranks);
/// Points of a folder by rising number of ranks: those of `ranks`, or all where it is empty.
/// MissingError when there is none; InputError when two were not measured alike or have strong
/// steps of unlike windows, naming the files, what differs and what to do.
[[nodiscard]] std::vector<ScalingPoint> read_scaling_points(const std::filesystem::path& folder,
                                                            const std::vector<int>& ranks = {});

}  // namespace epi::train
