// Sleeps, looks, sleeps again: late by one look at most, and nothing for the working thread to do
// but to leave a note.
#include "dist/watchdog.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace epi::dist {
namespace {

using Seconds = std::chrono::duration<double>;

/// Between two looks at most: what a failure that the communicator knows of may stay unnoticed.
constexpr double kLookSeconds = 0.5;
/// Looks within the limit: it is overdrawn by an eighth at most.
constexpr double kLooksPerLimit = 8.0;

}  // namespace

std::string message(const Hang& hang, int rank) {
  const std::string call = hang.call.empty() ? "" : ", in " + hang.call;
  if (hang.failure.empty()) {
    // A rank that waits in no call is the one that the others miss, if they wait.
    return fmt::format(
        "rank {}: nothing has moved for {:.0f} s; it waits for {}{}. Look {}; train.hang_timeout "
        "sets the limit, 0 turns it off",
        rank, hang.waited_s, hang.awaited, call,
        call.empty() ? "at its node: it waits for no other rank"
                     : "at the ranks that are missing, and at their nodes");
  }
  return fmt::format("rank {}: {}; it waited for {}{}", rank, hang.failure,
                     hang.awaited.empty() ? "nothing" : hang.awaited, call);
}

Watchdog::Watchdog(double limit_s, OnHang on_hang, Failure failure, Waiting waiting)
    : limit_s_(limit_s),
      on_hang_(std::move(on_hang)),
      failure_(std::move(failure)),
      waiting_(std::move(waiting)) {
  if (limit_s_ > 0.0) thread_ = std::thread([this] { watch(); });
}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::expect(std::string what) {
  const std::lock_guard lock(mutex_);
  awaited_ = std::move(what);
  since_ = Clock::now();
}

void Watchdog::rest() {
  const std::lock_guard lock(mutex_);
  awaited_.clear();
}

bool Watchdog::expired() const {
  return !awaited_.empty() && Seconds(Clock::now() - since_).count() >= limit_s_;
}

void Watchdog::watch() {
  const Seconds look(std::min(kLookSeconds, limit_s_ / kLooksPerLimit));
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, look, [this] { return ending_; })) {
    // The communicator is asked without the lock: the work may go on meanwhile.
    lock.unlock();
    const std::string failed = failure_ ? failure_() : "";
    lock.lock();
    if (ending_ || (failed.empty() && !expired())) continue;
    Hang hang{awaited_, Seconds(Clock::now() - since_).count(), failed, ""};
    lock.unlock();
    if (waiting_) hang.call = waiting_();
    return on_hang_(hang);
  }
}

}  // namespace epi::dist
