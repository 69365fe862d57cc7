// One counter hands out the items; whoever is free takes the next.
#include "data/parallel.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace epi::data {
namespace {

/// What the threads of one call share.
class Items {
 public:
  Items(std::size_t count, const std::function<void(std::size_t)>& work)
      : count_(count), failed_at_(count), work_(work) {}

  /// Takes items until there are no more, or one of them has failed. Never throws.
  void run() noexcept {
    while (true) {
      std::size_t item = 0;
      {
        const std::lock_guard lock(mutex_);
        if (next_ == count_ || failure_) return;
        item = next_++;
      }
      try {
        work_(item);
      } catch (...) {
        note(item, std::current_exception());
      }
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void note(std::size_t item, std::exception_ptr failure) {
    const std::lock_guard lock(mutex_);
    if (item >= failed_at_) return;
    failed_at_ = item;
    failure_ = std::move(failure);
  }

  std::mutex mutex_;
  std::size_t count_, next_ = 0, failed_at_;
  std::exception_ptr failure_;
  const std::function<void(std::size_t)>& work_;
};

}  // namespace

void for_each_item(std::size_t count, int threads, const std::function<void(std::size_t)>& work) {
  Items items(count, work);
  const std::size_t others =
      std::min(count, static_cast<std::size_t>(std::max(1, threads))) - (count > 0 ? 1 : 0);
  {
    std::vector<std::jthread> helpers;  // joined at the end of this block
    helpers.reserve(others);
    try {
      for (std::size_t i = 0; i < others; ++i) helpers.emplace_back([&items] { items.run(); });
    } catch (const std::system_error&) {
      // The system gives no more threads: those there are do the work.
    }
    items.run();
  }
  items.rethrow();
}

}  // namespace epi::data
