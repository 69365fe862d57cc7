// The meeting of ranks, with threads for ranks: nobody leaves before all have come, whether they
// spin, yield or sleep.
#include "dist/meeting.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace epi::dist {
namespace {

/// Runs `body(rank, meeting)` on one thread per rank.
template <class Body>
void with_ranks(int ranks, Body body) {
  Meeting::State state;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      Meeting meeting(state, ranks);
      body(rank, meeting);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(Meeting_manyRounds, nobodyLeavesBeforeAllHaveCome) {
  for (const int ranks : {1, 2, 3, 8}) {
    std::vector<int> rounds(static_cast<std::size_t>(ranks));  // plain: the meeting orders them
    with_ranks(ranks, [&](int rank, Meeting& meeting) {
      for (int round = 1; round <= 300; ++round) {
        rounds[static_cast<std::size_t>(rank)] = round;
        meeting.meet();
        for (const int other : rounds) ASSERT_EQ(other, round);
        meeting.meet();
      }
    });
  }
}

TEST(Meeting_lateRank, isWaitedForAsleepAndWakesTheOthers) {
  Meeting::State state;
  int calls_of_idle = 0;
  bool came = false;
  std::thread waiting([&] {
    Meeting meeting(state, 2, [&] { ++calls_of_idle; });
    meeting.meet();
    EXPECT_TRUE(came);
  });
  while (state.asleep.load() == 0) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  came = true;
  Meeting meeting(state, 2);
  meeting.meet();
  waiting.join();
  EXPECT_GT(calls_of_idle, 1);  // also while it slept
  EXPECT_EQ(state.asleep.load(), 0U);
  EXPECT_EQ(state.round.load(), 1U);
}

TEST(Meeting_manyRanksOnFewCores, goesOn) {
  const auto start = std::chrono::steady_clock::now();
  with_ranks(16, [](int, Meeting& meeting) {
    for (int round = 0; round < 100; ++round) meeting.meet();
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

}  // namespace
}  // namespace epi::dist
