// `pretrain`: a whole run, from configuration to the last checkpoint. Starts, or goes on from the
// newest valid checkpoint of its folder, and ends with the same bits either way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "core/log.hpp"
#include "dist/communicator.hpp"
#include "dist/watchdog.hpp"
#include "train/device.hpp"
#include "train/exchange_totals.hpp"
#include "train/goodput.hpp"
#include "train/run_config.hpp"
#include "train/stop_request.hpp"
#include "train/timings.hpp"
#include "train/validation.hpp"

namespace epi::train {

/// Steps in a row that may be skipped for a non-finite gradient before the run gives up.
inline constexpr int kMaxSkippedInRow = 5;
/// Checkpoints in a row that may fail before the run gives up.
inline constexpr int kMaxFailedInRow = 3;

/// Where a run takes place. By itself: in a folder, on the CPU, however long it takes.
struct RunPlace {
  std::filesystem::path out;       ///< RUN: see RunFolder
  DeviceChoice device{};           ///< of this rank
  std::string exchange_line = "";  ///< how gradients travel and why, for the log
  /// Called when nothing has moved for train.hang_timeout, or a peer has failed: it must end the
  /// process. Absent: nobody watches.
  dist::Watchdog::OnHang on_hang = {};
  /// When the process began, for what its start took.
  Timings::Clock::time_point begun = Timings::Clock::now();
  /// The end of the batch job, seconds since 1970: the run stops train.stop_margin before it.
  std::optional<std::int64_t> job_end_unix_s = {};
};

struct RunResult {
  bool stopped = false;  ///< by a signal or a limit, at a step boundary: resume it (exit code 75)
  std::int64_t first_step = 0;  ///< finished steps when this process began: of the checkpoint
  std::int64_t step = 0;        ///< finished steps now
  std::int64_t skipped = 0;     ///< of those, not applied
  double loss = 0.0;            ///< of the last step
  std::optional<MaskedScores> validation;  ///< the last one of this process
  Timings timings;                         ///< of this process on this rank
  ExchangeTotals exchange;                 ///< likewise
  double tokens_per_s = 0.0;  ///< over the steps of this process, evaluation etc. left out
  /// Of the rank's device: parameters, gradients, moments, batches, activations.
  std::int64_t state_bytes = 0;
  std::int64_t peak_bytes = 0;  ///< largest resident set of any rank
  TimeUse time;                 ///< of this process on this rank
};

/// Runs until train.steps, a stop request on any rank, train.max_time, shortly before the job's
/// end, or an error. Collective: all ranks get the same result, or the same error: ConfigError (a
/// setting that differs from the checkpoint's, ranks that do not divide the step), UsageError (the
/// folder is in use), NumericError (five non-finite steps in a row; the last good checkpoint
/// stays), IoError (the third checkpoint in a row that cannot be written, or the last one; earlier
/// ones stay), and what opening the store throws.
RunResult pretrain(const RunConfig& config, const RunPlace& place, dist::Communicator& world,
                   const core::Log& log, const StopRequest& stop);

}  // namespace epi::train
