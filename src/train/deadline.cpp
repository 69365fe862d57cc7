#include "train/deadline.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/duration.hpp"

namespace epi::train {
namespace {

using Seconds = std::chrono::duration<double>;

// A limit of centuries must not overflow the clock.
constexpr double kLongest = 1e9;

// A job that is shorter than the margin would stop after its first step, again and again.
constexpr double kMostOfJob = 0.25;

Deadline::Clock::time_point after(Deadline::Clock::time_point start, double seconds) {
  return start + std::chrono::duration_cast<Deadline::Clock::duration>(
                     Seconds(std::min(seconds, kLongest)));
}

}  // namespace

Deadline::Deadline(const TimeLimits& limits, Clock::time_point begun, Clock::time_point now,
                   std::int64_t now_unix_s)
    : limits_(limits) {
  if (limits.max_time_s > 0.0) own_end_ = after(begun, limits.max_time_s);
  if (!limits.job_end_unix_s) return;
  const double left_s = static_cast<double>(*limits.job_end_unix_s - now_unix_s);
  stale_ = left_s <= 0.0;
  if (stale_) return;
  job_end_ = after(now, left_s);
  limits_.stop_margin_s = std::min(limits.stop_margin_s, kMostOfJob * left_s);
}

std::string Deadline::reason(Clock::time_point now, double needed_s) const {
  if (own_end_ && now >= *own_end_) {
    return fmt::format("after train.max_time ({})", core::duration_text(limits_.max_time_s));
  }
  if (!job_end_) return "";
  const double left_s = Seconds(*job_end_ - now).count();
  if (left_s > std::max(limits_.stop_margin_s, needed_s)) return "";
  return fmt::format("{} before the job's end", core::duration_text(std::max(left_s, 0.0)));
}

}  // namespace epi::train
