// When a run stops by itself, by arithmetic: clocks are given, none is waited for.
#include "train/deadline.hpp"

#include <gtest/gtest.h>

namespace epi::train {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kNoon = 1'800'000'000;  // seconds since 1970, when the tests' runs begin
const Deadline::Clock::time_point kBegun{1000s};

Deadline deadline(TimeLimits limits, std::int64_t now_unix_s = kNoon) {
  return {limits, kBegun, kBegun + 10s, now_unix_s};  // ten seconds for the start
}

TEST(Deadline_withoutLimits, neverReached) {
  EXPECT_FALSE(deadline({}).reached(kBegun + 1000h, 1e6));
}

TEST(Deadline_maxTime_countsFromTheBegin, notFromTheFirstStep) {
  const Deadline limit = deadline({.max_time_s = 7200, .stop_margin_s = 120});
  EXPECT_FALSE(limit.reached(kBegun + 7199s, 500.0));
  EXPECT_TRUE(limit.reached(kBegun + 7200s, 0.0));
  EXPECT_EQ(limit.reason(kBegun + 7200s, 0.0), "after train.max_time (2 h 0 min)");
}

// Made ten seconds after the begin: 600 s are left then.
TEST(Deadline_jobEnd_isReachedAMarginBefore, byTheSteadyClock) {
  const Deadline limit = deadline({.stop_margin_s = 120, .job_end_unix_s = kNoon + 600});
  EXPECT_FALSE(limit.reached(kBegun + 489s, 0.0));
  EXPECT_TRUE(limit.reached(kBegun + 490s, 0.0));
  EXPECT_EQ(limit.reason(kBegun + 490s, 0.0), "2 min 0 s before the job's end");
}

TEST(Deadline_slowCheckpoints_widenTheMargin, ofTheJobsEnd) {
  const Deadline limit = deadline({.stop_margin_s = 120, .job_end_unix_s = kNoon + 600});
  EXPECT_FALSE(limit.reached(kBegun + 309s, 300.0));
  EXPECT_TRUE(limit.reached(kBegun + 310s, 300.0));
}

TEST(Deadline_shortJob_worksForThreeQuarters, notForOneStep) {
  const Deadline limit = deadline({.stop_margin_s = 120, .job_end_unix_s = kNoon + 100});
  EXPECT_FALSE(limit.reached(kBegun + 84s, 1.0));
  EXPECT_TRUE(limit.reached(kBegun + 85s, 1.0));
}

TEST(Deadline_bothLimits_theEarlierOneCounts, whicheverItIs) {
  const TimeLimits limits{.max_time_s = 300, .stop_margin_s = 60, .job_end_unix_s = kNoon + 600};
  EXPECT_TRUE(deadline(limits).reached(kBegun + 300s, 0.0));
  TimeLimits late = limits;
  late.max_time_s = 3000;
  EXPECT_FALSE(deadline(late).reached(kBegun + 549s, 0.0));
  EXPECT_TRUE(deadline(late).reached(kBegun + 550s, 0.0));
}

TEST(Deadline_jobEndThatHasPassed_isIgnored, asAnotherJobs) {
  const Deadline limit = deadline({.stop_margin_s = 120, .job_end_unix_s = kNoon - 5});
  EXPECT_TRUE(limit.stale_job_end());
  EXPECT_FALSE(limit.reached(kBegun + 1000h, 1e6));
  EXPECT_FALSE(deadline({.job_end_unix_s = kNoon + 5}).stale_job_end());
}

TEST(Deadline_limitOfCenturies_neverReached, andNoOverflow) {
  const Deadline limit = deadline({.max_time_s = 1e300, .job_end_unix_s = INT64_MAX - kNoon});
  EXPECT_FALSE(limit.reached(kBegun + 100000h, 0.0));
}

}  // namespace
}  // namespace epi::train
