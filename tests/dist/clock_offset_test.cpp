// Clocks that are wrong by a known amount: the offset that is found holds it within its own bound.
#include "dist/clock_offset.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

namespace epi::dist {
namespace {

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

TEST(ClockOffset, ranksOnUnlikeClocks_findTheirOffsetWithinItsBound) {
  const double ahead_s[] = {5.0, 5.0, -1234.5, 100.25};
  run_threads(4, [&](Communicator& world) {
    const double mine = ahead_s[world.rank()];
    const ClockOffset offset = clock_offset(world, [&] { return now_s() + mine; });
    // Doubles of such seconds are apart by less than 1e-9.
    EXPECT_LE(std::abs(offset.seconds - (mine - ahead_s[0])), offset.error_s + 1e-8)
        << "rank " << world.rank();
    EXPECT_LT(offset.error_s, 0.5);
    if (world.rank() == 0) {
      EXPECT_EQ(offset.seconds, 0.0);
      EXPECT_EQ(offset.error_s, 0.0);
    }
  });
}

TEST(ClockOffset, worldOfOne_isItsOwnClock) {
  const auto world = make_solo();
  EXPECT_EQ(clock_offset(*world, now_s).seconds, 0.0);
}

}  // namespace
}  // namespace epi::dist
