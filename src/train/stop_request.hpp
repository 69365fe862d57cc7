// A wish to stop: set by a signal handler of `launch`, read by the training loop at step
// boundaries.
#pragma once

#include <atomic>

namespace epi::train {

/// Async-signal-safe. The loop sums it over all ranks with each step's losses, so that every rank
/// stops at the same step boundary whichever of them got the signal.
class StopRequest {
 public:
  /// `signal` != 0 is remembered for messages; the last one wins.
  void request(int signal) noexcept { signal_.store(signal, std::memory_order_relaxed); }
  /// The signal remembered; 0: none.
  [[nodiscard]] int signal() const noexcept { return signal_.load(std::memory_order_relaxed); }
  /// Of this process only; the step's report says it for all ranks.
  [[nodiscard]] bool requested() const noexcept { return signal() != 0; }

 private:
  static_assert(std::atomic<int>::is_always_lock_free, "signal handlers need a lock-free flag");
  std::atomic<int> signal_{0};
};

}  // namespace epi::train
