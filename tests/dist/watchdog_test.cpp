// The watchdog by itself; launch_test sees it end whole jobs.
#include "dist/watchdog.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>

namespace epi::dist {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

struct Watched {
  explicit Watched(double limit_s, Watchdog::Failure failure = {})
      : dog(
            limit_s,
            [this](const Hang& hang) {
              ++calls;
              found.set_value(hang);
            },
            std::move(failure)) {}
  std::atomic<int> calls = 0;
  std::promise<Hang> found;
  Watchdog dog;
};

TEST(Watchdog_nothingMoves, callsOnceWithWhatWasAwaited) {
  Watched watched(0.1);
  const auto start = Clock::now();
  watched.dog.expect("step 41, sums of gradients");
  std::future<Hang> found = watched.found.get_future();
  ASSERT_EQ(found.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_GE(Clock::now() - start, milliseconds(100));
  const Hang hang = found.get();
  EXPECT_EQ(hang.awaited, "step 41, sums of gradients");
  EXPECT_GE(hang.waited_s, 0.1);
  EXPECT_EQ(hang.failure, "");
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(watched.calls, 1);
}

TEST(Watchdog_everythingMoves, staysSilent) {
  Watched watched(0.4);
  for (int step = 0; step < 12; ++step) {
    watched.dog.expect("step " + std::to_string(step));
    std::this_thread::sleep_for(milliseconds(50));  // 0.6 s in all
  }
  watched.dog.rest();
  EXPECT_EQ(watched.calls, 0);
}

TEST(Watchdog_atRest, waitsForNothing) {
  Watched watched(0.05);
  std::this_thread::sleep_for(milliseconds(150));
  watched.dog.expect("a little");
  watched.dog.rest();
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(watched.calls, 0);
}

TEST(Watchdog_limitZero, isOff) {
  Watched watched(0.0, [] { return std::string("failed"); });
  watched.dog.expect("anything");
  std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(watched.calls, 0);
}

TEST(Watchdog_communicatorFailed, callsLongBeforeTheLimit) {
  Watched watched(3600.0, [] { return std::string("the peer has gone"); });
  watched.dog.expect("step 7");
  std::future<Hang> found = watched.found.get_future();
  ASSERT_EQ(found.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_EQ(found.get().failure, "the peer has gone");
}

TEST(Watchdog_message, namesRankTimeAndWhat) {
  EXPECT_NE(message({"step 41", 600.4, ""}, 3)
                .find("rank 3: nothing has moved for 600 s; it waits for step 41"),
            std::string::npos);
  EXPECT_EQ(message({"step 41", 2.0, "NCCL has lost a peer"}, 0),
            "rank 0: NCCL has lost a peer; it waited for step 41");
}

}  // namespace
}  // namespace epi::dist
