// Lengths of time against arithmetic by hand.
#include "core/duration.hpp"

#include <gtest/gtest.h>

namespace epi::core {
namespace {

TEST(ParseDuration_formsOfPeopleAndSlurm_giveSeconds, byHand) {
  EXPECT_EQ(parse_duration("90"), 90.0);
  EXPECT_EQ(parse_duration("90s"), 90.0);
  EXPECT_EQ(parse_duration("15m"), 900.0);
  EXPECT_EQ(parse_duration("2.5h"), 9000.0);
  EXPECT_EQ(parse_duration("3d"), 259200.0);
  EXPECT_EQ(parse_duration("30:05"), 1805.0);
  EXPECT_EQ(parse_duration("12:00:01"), 43201.0);
  EXPECT_EQ(parse_duration("1-12"), 129600.0);
  EXPECT_EQ(parse_duration("1-12:30"), 131400.0);
  EXPECT_EQ(parse_duration("1-12:30:15"), 131415.0);
}

TEST(ParseDuration_anythingElse_isRefused, withoutAGuess) {
  for (const char* text : {"", "s", "-5", "1h30", "1:2:3:4", "1-", "-1:00", "a:b", "1:-2", "nan",
                           "inf", "1-2-3", "5 m", "1::2"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(DurationText_anySize_hasTwoUnits, asPeopleSay) {
  EXPECT_EQ(duration_text(1.5), "1.5 s");
  EXPECT_EQ(duration_text(200.0), "3 min 20 s");
  EXPECT_EQ(duration_text(7500.0), "2 h 5 min");
  EXPECT_EQ(duration_text(2.5 * 86400.0), "2 d 12 h");
}

}  // namespace
}  // namespace epi::core
