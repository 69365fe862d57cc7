// The pool runs each task once, on threads that it owns, as often as it is asked.
#include "kernels/cpu/pool.hpp"

#include <gtest/gtest.h>
#include <omp.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "core/error.hpp"

namespace epi::kernels::cpu {
namespace {

class PoolOf : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Threads, PoolOf, testing::Values(1, 2, 3, 7));

TEST_P(PoolOf, AnyNumberOfTasks_run_eachTaskOnce) {
  Pool pool(GetParam());
  EXPECT_EQ(pool.threads(), GetParam());
  for (const std::int64_t tasks : {0, 1, 2, 3, 5, 64, 1000}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(tasks));
    pool.run(tasks, [&](std::int64_t task, int thread) {
      ASSERT_GE(thread, 0);
      ASSERT_LT(thread, pool.threads());
      ++runs.at(static_cast<std::size_t>(task));
    });
    for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
  }
}

TEST_P(PoolOf, ManyShortJobs_run_noneTouchesTheNext) {
  // A worker that wakes late must not run a task of a later job with an earlier body.
  Pool pool(GetParam());
  for (std::int64_t job = 0; job < 3000; ++job) {
    std::atomic<std::int64_t> sum{0};
    pool.run(1 + job % 5, [&, job](std::int64_t task, int) { sum += job + task; });
    const std::int64_t tasks = 1 + job % 5;
    ASSERT_EQ(sum.load(), tasks * job + tasks * (tasks - 1) / 2);
  }
}

TEST_P(PoolOf, WritesOfTasks_run_areSeenByTheCaller) {
  Pool pool(GetParam());
  std::vector<int> plain(500, 0);  // not atomic: the return of run() orders them
  for (int round = 1; round <= 50; ++round) {
    pool.run(500, [&](std::int64_t task, int) { ++plain.at(static_cast<std::size_t>(task)); });
    for (const int value : plain) ASSERT_EQ(value, round);
  }
}

TEST_P(PoolOf, Tasks_run_haveOneOpenMpThread) {
  omp_set_num_threads(4);
  Pool pool(GetParam());
  std::atomic<int> most{0};
  pool.run(100, [&](std::int64_t, int) {
    int seen = most.load();
    while (seen < omp_get_max_threads() &&
           !most.compare_exchange_weak(seen, omp_get_max_threads())) {
    }
  });
  EXPECT_EQ(most.load(), 1);
}

TEST(Pool, SleepingWorkers_wakeForTheNextJob) {
  Pool pool(3);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // longer than workers spin
    std::atomic<int> together{0};
    pool.run(3, [&](std::int64_t, int) {
      // Returns only when all three tasks run at once: each on a thread of its own.
      ++together;
      while (together.load() < 3) std::this_thread::yield();
    });
    EXPECT_EQ(together.load(), 3);
  }
}

TEST(Pool, NoThreads_isRefused) {
  EXPECT_THROW(Pool(0), core::LogicError);
}

}  // namespace
}  // namespace epi::kernels::cpu
