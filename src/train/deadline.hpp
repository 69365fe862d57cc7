// When a run stops by itself: after train.max_time, or before the end of its batch job, whose
// signals may come too late or not at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace epi::train {

/// What bounds the time of this process.
struct TimeLimits {
  double max_time_s = 0.0;  ///< from its begin; 0: no limit
  /// So long before the job's end at the latest; of a short job at most a quarter.
  double stop_margin_s = 0.0;
  /// The job's end, seconds since 1970 by the clock of this host (SLURM_JOB_END_TIME).
  std::optional<std::int64_t> job_end_unix_s = {};
};

class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// The clock of the wall is read here and never again: `now_unix_s` is what it says at `now`. A
  /// clock that jumps later changes nothing. A job's end that has passed already is ignored: what
  /// is left of another job.
  Deadline(const TimeLimits& limits, Clock::time_point begun, Clock::time_point now,
           std::int64_t now_unix_s);

  /// Whether it is time to stop, so that what takes `needed_s` more (a step and a checkpoint) is
  /// over before the job ends.
  [[nodiscard]] bool reached(Clock::time_point now, double needed_s) const {
    return !reason(now, needed_s).empty();
  }
  /// Why it is: "after train.max_time (2 h 0 min)"; "" while it is not.
  [[nodiscard]] std::string reason(Clock::time_point now, double needed_s) const;
  /// Whether the job's end had passed when this was made.
  [[nodiscard]] bool stale_job_end() const { return stale_; }

 private:
  TimeLimits limits_;
  std::optional<Clock::time_point> own_end_, job_end_;
  bool stale_ = false;
};

}  // namespace epi::train
