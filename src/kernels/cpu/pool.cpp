// Persistent threads that take tasks from one counter.
//
// One 64-bit ticket carries a job's generation (odd: closed) and its next task, so claiming a task
// is one compare-and-swap that fails if the job has ended since: a worker that wakes late can't
// touch the next job, and nobody waits for workers that found nothing to do. The job's fields are
// written only while the ticket is closed.
//
// A worker without work spins a few microseconds (ops follow each other closely within a step),
// then yields, then sleeps: ranks that share cores must not starve each other.
#include "kernels/cpu/pool.hpp"

#include <immintrin.h>
#include <omp.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/error.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr int kSpins = 2000;  // about 20 to 60 us of pauses: longer than a gap between two ops
constexpr int kYields = 50;   // then let others run, and sleep after that
constexpr std::uint64_t kGeneration = std::uint64_t{1} << 32U;

bool is_closed(std::uint64_t ticket) {
  return (ticket & kGeneration) != 0;
}

/// One step of patience: a pause first, a yield once `round` is large.
void relax(std::int64_t round) {
  if (round < kSpins) {
    _mm_pause();
  } else {
    std::this_thread::yield();
  }
}

}  // namespace

struct Pool::State {
  alignas(64) std::atomic<std::uint64_t> ticket{kGeneration};  // closed
  alignas(64) std::atomic<std::int64_t> done{0};
  alignas(64) std::atomic<std::uint32_t> jobs{0};  // counts starts; workers sleep on it
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> tasks{0};
  std::atomic<const void*> body{nullptr};
  std::atomic<Call> call{nullptr};
  std::vector<std::thread> workers;

  /// Takes and runs tasks until the open job, if any, has none left.
  void take_tasks(int thread) {
    std::uint64_t mine = ticket.load(std::memory_order_acquire);
    while (!is_closed(mine)) {
      const auto task = static_cast<std::int64_t>(mine & (kGeneration - 1));
      const void* what = body.load(std::memory_order_relaxed);
      const Call how = call.load(std::memory_order_relaxed);
      if (task >= tasks.load(std::memory_order_relaxed)) return;
      if (!ticket.compare_exchange_weak(mine, mine + 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        continue;
      }
      how(what, task, thread);
      done.fetch_add(1, std::memory_order_release);
      mine = ticket.load(std::memory_order_acquire);
    }
  }

  void open(std::int64_t count, const void* what, Call how) {
    body.store(what, std::memory_order_relaxed);
    call.store(how, std::memory_order_relaxed);
    tasks.store(count, std::memory_order_relaxed);
    done.store(0, std::memory_order_relaxed);
    const std::uint64_t closed = ticket.load(std::memory_order_relaxed) & ~(kGeneration - 1);
    ticket.store(closed + kGeneration, std::memory_order_release);
    wake();
  }

  void close() {
    const std::uint64_t last = ticket.load(std::memory_order_relaxed) & ~(kGeneration - 1);
    ticket.store(last + kGeneration, std::memory_order_release);
  }

  void wake() {
    jobs.fetch_add(1, std::memory_order_release);
    jobs.notify_all();
  }

  void serve(int thread) {
    omp_set_num_threads(1);
    std::uint32_t seen = 0;
    while (!stop.load(std::memory_order_acquire)) {
      take_tasks(thread);
      for (int round = 0; round < kSpins + kYields; ++round) {
        if (jobs.load(std::memory_order_acquire) != seen) break;
        relax(round);
      }
      jobs.wait(seen, std::memory_order_acquire);
      seen = jobs.load(std::memory_order_acquire);
    }
  }
};

Pool::Pool(int threads) : state_(std::make_unique<State>()) {
  core::require(threads >= 1, "a pool has at least one thread");
  for (int thread = 1; thread < threads; ++thread) {
    state_->workers.emplace_back([state = state_.get(), thread] { state->serve(thread); });
  }
}

Pool::~Pool() {
  state_->stop.store(true, std::memory_order_release);
  state_->wake();
  for (std::thread& worker : state_->workers) worker.join();
}

int Pool::threads() const {
  return static_cast<int>(state_->workers.size()) + 1;
}

void Pool::run_erased(std::int64_t tasks, const void* body, Call call) {
  omp_set_num_threads(1);  // of this thread only; whichever thread calls the ops
  if (tasks <= 1 || state_->workers.empty()) {
    for (std::int64_t task = 0; task < tasks; ++task) call(body, task, 0);
    return;
  }
  core::require(tasks < static_cast<std::int64_t>(kGeneration), "fewer than 2^32 tasks");
  state_->open(tasks, body, call);
  state_->take_tasks(0);
  for (std::int64_t round = 0; state_->done.load(std::memory_order_acquire) < tasks; ++round)
    relax(round);
  state_->close();
}

}  // namespace epi::kernels::cpu
