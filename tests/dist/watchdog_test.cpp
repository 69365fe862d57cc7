// The watchdog by itself; launch_test sees it end whole jobs.
#include "dist/watchdog.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "core/error.hpp"
#include "dist/communicator.hpp"

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
  EXPECT_NE(
      message({"step 41", 600.4, "", ""}, 3)
          .find("rank 3: nothing has moved for 600 s; it waits for step 41. Look at its node"),
      std::string::npos);
  EXPECT_EQ(message({"step 41", 2.0, "NCCL has lost a peer", ""}, 0),
            "rank 0: NCCL has lost a peer; it waited for step 41");
}

TEST(Watchdog_message, namesTheCollectiveAndWhoIsMissing) {
  const std::string call = "a sum of 8.0 MB; ranks 1 and 2 have not come";
  EXPECT_NE(message({"step 41", 600.0, "", call}, 3).find("waits for step 41, in " + call),
            std::string::npos);
}

/// Rank 2 of three stays away from a sum: the watchdog of rank 0 says so.
TEST(Watchdog_rankStaysAway, namesStepCollectiveAndTheRank) {
  std::promise<std::string> found;
  std::future<std::string> text = found.get_future();
  std::promise<void> heard;
  std::shared_future<void> end = heard.get_future().share();
  run_threads(3, [&](Communicator& world) {
    if (world.rank() == 2) return end.wait();
    Watchdog dog(
        world.rank() == 0 ? 0.2 : 0.0,
        [&](const Hang& hang) {
          found.set_value(message(hang, 0));
          heard.set_value();
        },
        {}, [&] { return world.waiting(); });
    dog.expect("step 7");
    EXPECT_EQ(world.waiting(), "");
    std::vector<float> values(500000);
    EXPECT_THROW((void)world.start(Reduce::sum, View(values.data(), {500000}), Event()),
                 core::PeerError);
    EXPECT_EQ(world.waiting(), "");
  });
  const std::string expected = "waits for step 7, in a sum of 2.0 MB; rank 2 has not come";
  const std::string said = text.get();
  EXPECT_NE(said.find(expected), std::string::npos) << said;
}

}  // namespace
}  // namespace epi::dist
