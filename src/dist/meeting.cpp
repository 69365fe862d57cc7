// One counter of arrivals and one of rounds. The waiting has three stages, since nobody knows
// beforehand whether the ranks have cores of their own.
#include "dist/meeting.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <ctime>
#include <utility>

namespace epi::dist {
namespace {

// Enough for ranks that arrive together. Longer ones do not help them and keep others from the
// core: four ranks on two cores sum ten doubles in 12 us; with 50 spins in 25 us, with 200 in 57.
constexpr int kSpins = 10;
// By the clock, not by number: where other programs want the core, one yield takes milliseconds,
// and a sleeper that is woken gets the core back sooner than one that yields.
constexpr std::chrono::microseconds kYielding(200);
constexpr int kYieldsPerIdle = 16;
// The last rank wakes sleepers, so this bounds only the time between two calls of `idle`.
constexpr long kSleepNanoseconds = 5'000'000;

static_assert(std::atomic<std::uint32_t>::is_always_lock_free, "a lock would be one process's own");
static_assert(sizeof(std::atomic<std::uint32_t>) == 4, "the kernel waits on 32 bits");

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Without FUTEX_PRIVATE_FLAG: the waiters are processes.
void futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value,
           const timespec* timeout) {
  // Errors say "woken", "changed already" or "time is up": the caller looks at the word anyway.
  (void)::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

}  // namespace

Meeting::Meeting(State& state, int ranks, std::function<void()> idle)
    : state_(state), ranks_(static_cast<std::uint32_t>(ranks)), idle_(std::move(idle)) {}

void Meeting::meet() {
  const std::uint32_t round = state_.round.load(std::memory_order_acquire);
  if (state_.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 < ranks_) return wait(round);
  state_.arrived.store(0, std::memory_order_relaxed);
  // Sequentially consistent, as the sleepers' side: either we see a sleeper or it sees the round.
  state_.round.store(round + 1);
  if (state_.asleep.load() > 0) futex(state_.round, FUTEX_WAKE, INT_MAX, nullptr);
}

void Meeting::wait(std::uint32_t round) {
  for (int i = 0; i < kSpins; ++i) {
    if (over(round)) return;
    pause();
  }
  const auto end = std::chrono::steady_clock::now() + kYielding;
  for (int i = 0; std::chrono::steady_clock::now() < end; ++i) {
    if (over(round)) return;
    (void)::sched_yield();
    if (idle_ && i % kYieldsPerIdle == 0) idle_();
  }
  while (!over(round)) {
    sleep(round);
    if (idle_) idle_();
  }
}

void Meeting::sleep(std::uint32_t round) {
  const timespec timeout = {0, kSleepNanoseconds};
  state_.asleep.fetch_add(1);
  if (state_.round.load() == round) futex(state_.round, FUTEX_WAIT, round, &timeout);
  state_.asleep.fetch_sub(1);
}

}  // namespace epi::dist
