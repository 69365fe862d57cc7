// What only threads promise: their tree by hand, and how failures spread.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "dist/communicator.hpp"

namespace epi::dist {
namespace {

TEST(RunThreads_ranks, eachRankRunsOnce) {
  std::atomic<int> ranks_seen = 0;
  run_threads(4, [&](Communicator& world) {
    EXPECT_EQ(world.size(), 4);
    ranks_seen += 1 << world.rank();
  });
  EXPECT_EQ(ranks_seen, 0b1111);
}

TEST(RunThreads_sum, isTakenInTheTreeOfRanks) {
  // In f32, 1e8 + 1 = 1e8. (1e8 + 1) + (-1e8 + 1) = 0; from left to right it would be 1.
  const std::vector<float> values = {1e8F, 1.0F, -1e8F, 1.0F};
  run_threads(4, [&](Communicator& world) {
    EXPECT_TRUE(world.sums_in_tree(core::kCpu));
    std::vector<float> mine(9, values[static_cast<std::size_t>(world.rank())]);
    Stream stream(core::kCpu);
    world.start(Reduce::sum, View(mine.data(), {9}), Event()).wait(stream);
    for (const float sum : mine) EXPECT_EQ(sum, 0.0F);
  });
}

TEST(RunThreads_oneRankThrows, othersGetPeerErrorAndCallerTheCause) {
  std::atomic<int> peers = 0;
  try {
    run_threads(3, [&](Communicator& world) {
      world.barrier();
      if (world.rank() == 2) throw core::InputError("rank two's own failure");
      try {
        for (int i = 0; i < 100; ++i) world.barrier();
      } catch (const core::PeerError& error) {
        EXPECT_NE(std::string(error.what()).find("rank two's own failure"), std::string::npos);
        ++peers;
        throw;
      }
    });
    FAIL() << "the failure is lost";
  } catch (const core::InputError& error) {
    EXPECT_STREQ(error.what(), "rank two's own failure");
  }
  EXPECT_EQ(peers, 2);
}

TEST(RunThreads_partnerThrows, exchangeEndsWithPeerError) {
  EXPECT_THROW(run_threads(2,
                           [](Communicator& world) {
                             if (world.rank() == 1) throw core::IoError("disk full");
                             double value = 0.0;
                             EXPECT_THROW(
                                 (void)world.exchange(1, View(&value, {1}), View(&value, {1}), {}),
                                 core::PeerError);
                           }),
               core::IoError);
}

TEST(RunThreads_rankEndsEarly, othersDoNotHang) {
  EXPECT_THROW(run_threads(2,
                           [](Communicator& world) {
                             if (world.rank() == 0) world.barrier();
                           }),
               core::PeerError);
}

TEST(RunThreads_differentSizes, areABrokenPromiseOnAllRanks) {
  EXPECT_THROW(run_threads(3,
                           [](Communicator& world) {
                             std::vector<float> values(world.rank() == 1 ? 4U : 5U);
                             const auto count = static_cast<std::int64_t>(values.size());
                             (void)world.start(Reduce::sum, View(values.data(), {count}), Event());
                           }),
               core::LogicError);
}

TEST(RunThreads_abort, endsAllRanks) {
  EXPECT_THROW(run_threads(2,
                           [](Communicator& world) {
                             if (world.rank() == 1) world.abort(70);
                             world.barrier();
                           }),
               core::PeerError);
}

}  // namespace
}  // namespace epi::dist
