// The learning rate against arithmetic by hand.
#include "train/schedule.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace epi::train {
namespace {

TEST(Schedule_warmup, risesLinearlyToThePeak) {
  const Schedule schedule{ScheduleKind::linear, 1.0, 0.0, 4, 100};
  EXPECT_DOUBLE_EQ(schedule.at(1), 0.25);
  EXPECT_DOUBLE_EQ(schedule.at(3), 0.75);
  EXPECT_DOUBLE_EQ(schedule.at(4), 1.0);
}

TEST(Schedule_linear, fallsByEqualStepsToTheFloor) {
  // Warm-up 1, 5 steps: x = (s - 1) / 5 for s = 1..5, floor 0.5, peak 1.5.
  const Schedule schedule{ScheduleKind::linear, 1.5, 0.5, 1, 5};
  EXPECT_DOUBLE_EQ(schedule.at(1), 1.5);
  EXPECT_DOUBLE_EQ(schedule.at(2), 1.3);
  EXPECT_DOUBLE_EQ(schedule.at(4), 0.9);
  EXPECT_DOUBLE_EQ(schedule.at(5), 0.7);
  EXPECT_DOUBLE_EQ(schedule.at(6), 0.5);
  EXPECT_DOUBLE_EQ(schedule.at(600), 0.5);
}

TEST(Schedule_cosine, isHalfWayInTheMiddle) {
  // No warm-up, 3 steps: x = 1/4, 1/2, 3/4 for s = 1, 2, 3; cos(pi/4) = sqrt(1/2).
  const Schedule schedule{ScheduleKind::cosine, 2.0, 0.0, 0, 3};
  EXPECT_NEAR(schedule.at(1), 1.0 + std::sqrt(0.5), 1e-15);
  EXPECT_NEAR(schedule.at(2), 1.0, 1e-15);
  EXPECT_NEAR(schedule.at(3), 1.0 - std::sqrt(0.5), 1e-15);
}

TEST(Schedule_oneStep_isNotWasted, rateAboveZero) {
  EXPECT_GT((Schedule{ScheduleKind::linear, 1.0, 0.0, 0, 1}).at(1), 0.0);
}

TEST(BiasCorrection_smallCounts, equalsTheDefinition) {
  EXPECT_DOUBLE_EQ(bias_correction(0.5, 1), 0.5);
  EXPECT_DOUBLE_EQ(bias_correction(0.5, 3), 0.875);
  EXPECT_DOUBLE_EQ(bias_correction(0.0, 7), 1.0);
  EXPECT_NEAR(bias_correction(0.999, 2), 1.999e-3, 1e-15);
}

}  // namespace
}  // namespace epi::train
