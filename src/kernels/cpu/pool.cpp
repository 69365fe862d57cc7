// Persistent threads that take tasks from counters, one counter per thread.
//
// The tasks of a job are cut into as many stretches as there are threads. A thread takes its own
// stretch first and then what is left of the others. So the same part of an array meets the same
// core in op after op, in its caches and, where there are several, on its memory: an update of a
// million parameters took 0.9 ms with one counter for all, where either core met half of what the
// other had left, and 0.4 ms so.
//
// One 64-bit ticket per stretch carries the job's generation (odd: closed) and the next task, so
// claiming a task is one compare-and-swap that fails if the job has ended since: a worker that
// wakes late can't touch the next job, and nobody waits for workers that found nothing to do. The
// job's fields are written only while all tickets are closed.
//
// A worker without work spins a few microseconds (ops follow each other closely within a step),
// then yields, then sleeps: ranks that share cores must not starve each other.
#include "kernels/cpu/pool.hpp"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
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
  struct alignas(64) Stretch {
    std::atomic<std::uint64_t> ticket{kGeneration};  // closed
  };
  explicit State(int threads) : stretches(static_cast<std::size_t>(threads)) {}

  std::vector<Stretch> stretches;
  std::uint64_t generation = kGeneration;  // of the caller only
  alignas(64) std::atomic<std::int64_t> done{0};
  alignas(64) std::atomic<std::uint32_t> jobs{0};  // counts starts; workers sleep on it
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> tasks{0};
  std::atomic<const void*> body{nullptr};
  std::atomic<Call> call{nullptr};
  std::vector<std::thread> workers;

  /// First task of a stretch; of the one past the last: the number of tasks.
  [[nodiscard]] std::int64_t first_task(std::size_t stretch) const {
    const auto count = static_cast<std::int64_t>(stretches.size());
    return static_cast<std::int64_t>(stretch) * tasks.load(std::memory_order_relaxed) / count;
  }

  /// Takes and runs tasks of one stretch until it has none left, or its job has ended.
  void take_stretch(std::size_t stretch, int thread) {
    std::atomic<std::uint64_t>& ticket = stretches[stretch].ticket;
    std::uint64_t mine = ticket.load(std::memory_order_acquire);
    while (!is_closed(mine)) {
      const auto task = static_cast<std::int64_t>(mine & (kGeneration - 1));
      const void* what = body.load(std::memory_order_relaxed);
      const Call how = call.load(std::memory_order_relaxed);
      if (task >= first_task(stretch + 1)) return;
      if (!ticket.compare_exchange_weak(mine, mine + 1, std::memory_order_acq_rel,
                                        std::memory_order_acquire)) {
        continue;
      }
      how(what, task, thread);
      done.fetch_add(1, std::memory_order_release);
      mine = ticket.load(std::memory_order_acquire);
    }
  }

  /// Runs tasks of the open job, if any, until it has none left: the thread's own come first.
  void take_tasks(int thread) {
    for (std::size_t i = 0; i < stretches.size(); ++i) {
      take_stretch((static_cast<std::size_t>(thread) + i) % stretches.size(), thread);
    }
  }

  void open(std::int64_t count, const void* what, Call how) {
    body.store(what, std::memory_order_relaxed);
    call.store(how, std::memory_order_relaxed);
    tasks.store(count, std::memory_order_relaxed);
    done.store(0, std::memory_order_relaxed);
    generation += kGeneration;
    for (std::size_t i = 0; i < stretches.size(); ++i) {
      const auto first = static_cast<std::uint64_t>(first_task(i));
      stretches[i].ticket.store(generation + first, std::memory_order_release);
    }
    wake();
  }

  void close() {
    generation += kGeneration;
    for (Stretch& stretch : stretches) stretch.ticket.store(generation, std::memory_order_release);
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

Pool::Pool(int threads) : state_(std::make_unique<State>(std::max(threads, 1))) {
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
