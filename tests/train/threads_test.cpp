// Threads per rank by hand: which masks overlap, and what each rank gets of them.
#include "train/threads.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace epi::train {
namespace {

std::vector<int> shares_of(const std::vector<std::string>& masks) {
  std::vector<int> shares;
  for (std::size_t rank = 0; rank < masks.size(); ++rank) {
    shares.push_back(share_of_cores(masks, rank));
  }
  return shares;
}

/// What every rank of one host gets, in any order.
std::vector<int> threads_of(int ranks, int configured) {
  std::vector<int> threads;
  std::mutex guard;
  dist::run_threads(ranks, [&](dist::Communicator& world) {
    const int mine = threads_per_rank(configured, world);
    const std::lock_guard lock(guard);
    threads.push_back(mine);
  });
  return threads;
}

TEST(ShareOfCores_ranksOfTheirOwnCores, isAllOfThem) {
  EXPECT_EQ(shares_of({"1111"}), std::vector<int>({4}));
  EXPECT_EQ(shares_of({"1100", "0011"}), std::vector<int>({2, 2}));
  EXPECT_EQ(shares_of({"10", "0111"}), std::vector<int>({1, 3}));  // texts of unlike length
}

TEST(ShareOfCores_ranksOnTheSameCores, isAnEqualPart) {
  EXPECT_EQ(shares_of({"11111111", "11111111", "11111111"}), std::vector<int>({2, 2, 2}));
  EXPECT_EQ(shares_of({"11", "11", "11"}), std::vector<int>({1, 1, 1}));  // never none
  // Two ranks per socket.
  EXPECT_EQ(shares_of({"11110000", "11110000", "00001111", "00001111"}),
            std::vector<int>({2, 2, 2, 2}));
}

TEST(BindingWarning_allCoresInUse, isSilent) {
  EXPECT_EQ(binding_warning(std::vector<std::string>{"1111"}, "1111"), "");
  EXPECT_EQ(binding_warning(std::vector<std::string>{"1100", "0011"}, "1111"), "");
  EXPECT_EQ(binding_warning(std::vector<std::string>{"11", "11"}, "1100"), "");
}

TEST(BindingWarning_idleCores, namesThemAndWhatHelps) {
  // As mpirun binds two ranks by default: one core each, of eight.
  const std::string text =
      binding_warning(std::vector<std::string>{"10000000", "01000000"}, "11111111");
  EXPECT_NE(text.find("2 ranks of this host to 2 of its 8 cores"), std::string::npos) << text;
  EXPECT_NE(text.find("leaves 6 idle"), std::string::npos) << text;
  for (const char* help : {"--bind-to none", "--map-by slot:PE=4", "--cpus-per-task=4"}) {
    EXPECT_NE(text.find(help), std::string::npos) << text;
  }
  // Both on one core, and more ranks than cores.
  EXPECT_NE(binding_warning(std::vector<std::string>{"10", "10", "10"}, "11")
                .find("3 ranks of this host to 1 of its 2 cores"),
            std::string::npos);
}

TEST(ThreadsPerRank_configured, isThatNumberForAll) {
  EXPECT_EQ(threads_of(3, 5), std::vector<int>({5, 5, 5}));
}

TEST(ThreadsPerRank_open_ofManyRanks, dividesTheCoresOfOne) {
  unsetenv("OMP_NUM_THREADS");
  const int alone = threads_of(1, 0).at(0);
  EXPECT_GE(alone, 1);
  EXPECT_EQ(threads_of(2, 0), std::vector<int>(2, std::max(1, alone / 2)));
  EXPECT_EQ(threads_of(3, 0), std::vector<int>(3, std::max(1, alone / 3)));
}

TEST(ThreadsPerRank_open, staysBelowOmpNumThreads) {
  setenv("OMP_NUM_THREADS", "1,4", 1);
  EXPECT_EQ(threads_of(1, 0), std::vector<int>({1}));
  setenv("OMP_NUM_THREADS", "nonsense", 1);
  EXPECT_GE(threads_of(1, 0).at(0), 1);
  unsetenv("OMP_NUM_THREADS");
}

}  // namespace
}  // namespace epi::train
