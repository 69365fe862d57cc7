// Notices that nothing moves any more: a rank that has stopped answering, a device that hangs, a
// peer that died while this one waits for it. The thread that does the work can't notice, because
// it is the one that waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace epi::dist {

/// What a watchdog has found.
struct Hang {
  std::string awaited;    ///< what was expected: "step 41, sums of gradients"
  double waited_s = 0.0;  ///< since it was
  std::string failure;    ///< what the communicator says has failed; "" when it is only silent
  std::string call;       ///< the collective that has not returned, as Communicator::waiting
};

/// One line for the user: "rank 3: nothing has moved for 600 s; it waits for step 41, in a sum of
/// 8.0 MB; ranks 1 and 2 have not come. ...".
[[nodiscard]] std::string message(const Hang& hang, int rank);

/// A thread that waits beside the work. Between `expect` and the next `expect` or `rest` no more
/// than the limit may pass.
class Watchdog {
 public:
  /// Called once at most, from the watchdog's thread, while the working thread may be stuck
  /// anywhere: it ends the process (Communicator::abort, then _Exit), and takes no lock that the
  /// work may hold.
  using OnHang = std::function<void(const Hang&)>;
  /// Asked about twice a second whether something has failed, as Communicator::failure.
  using Failure = std::function<std::string()>;
  /// Asked once nothing moves, as Communicator::waiting.
  using Waiting = std::function<std::string()>;

  /// A limit of 0 turns it off: no thread, and nothing is asked.
  Watchdog(double limit_s, OnHang on_hang, Failure failure = {}, Waiting waiting = {});
  /// Stops watching; waits for a handler that is running.
  ~Watchdog();
  /// Not copied: one thread.
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// From now on `what` must happen within the limit. For the working thread; takes microseconds.
  void expect(std::string what);
  /// Nothing is expected for the time being: work whose time nobody knows.
  void rest();

 private:
  using Clock = std::chrono::steady_clock;

  void watch();
  /// Whether what is expected is overdue; with the lock held.
  [[nodiscard]] bool expired() const;

  double limit_s_;
  OnHang on_hang_;
  Failure failure_;
  Waiting waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::string awaited_;  ///< "" while nothing is expected
  Clock::time_point since_{};
  std::thread thread_;
};

}  // namespace epi::dist
