#include "data/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace epi::data {
namespace {

TEST(ForEachItem_items, AnyNumberOfThreads_callsEachOnce) {
  for (const std::size_t count : {0U, 1U, 2U, 7U, 100U}) {
    for (const int threads : {-1, 0, 1, 2, 3, 16}) {
      std::vector<std::atomic<int>> calls(count);
      for_each_item(count, threads, [&](std::size_t i) { ++calls[i]; });
      for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(1, calls[i]) << i << " of " << count;
    }
  }
}

TEST(ForEachItem_threads, AtOnce_areNeverMoreThanAskedFor) {
  std::atomic<int> now = 0, most = 0;
  for_each_item(20, 3, [&](std::size_t) {
    const int mine = ++now;
    int known = most;
    while (mine > known && !most.compare_exchange_weak(known, mine)) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --now;
  });
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 2);
}

/// What for_each_item throws when items 3 and 4 fail, 3 later than 4.
std::string failure_with(int threads, std::atomic<int>& begun) {
  try {
    for_each_item(1000, threads, [&](std::size_t i) {
      ++begun;
      if (i == 3) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (i == 3 || i == 4) throw std::runtime_error("item " + std::to_string(i));
    });
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "none";
}

TEST(ForEachItem_failures, TheFirstItemInOrder_isTheOneThrown) {
  for (const int threads : {1, 2, 4, 8}) {
    std::atomic<int> begun = 0;
    EXPECT_EQ("item 3", failure_with(threads, begun)) << threads;
    if (threads == 1) {
      EXPECT_EQ(4, begun);
    }
  }
}

}  // namespace
}  // namespace epi::data
