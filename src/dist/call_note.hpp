// What a rank is doing inside a collective, noted where another thread can read it: the rank that
// waits can't say so itself. A note costs a few stores, and takes no lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace epi::dist {

/// The calls of a communicator, as a user would name them.
enum class Call : std::uint8_t {
  none,
  sum,
  maximum,
  scattered_sum,
  gathering,
  broadcast,
  exchange,
  gathering_of_texts,
  barrier,
};

class CallNote {
 public:
  /// Notes a call from its beginning to the end of the scope.
  class Scope {
   public:
    /// `bytes` of one rank; 0 where the call has no size. `partner` as in `talks_to`.
    Scope(CallNote& note, Call call, std::size_t bytes, int partner = kNobody);
    /// The call has returned, or failed.
    ~Scope();
    /// Not copied: one call.
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    CallNote& note_;
  };

  /// No single rank is waited for.
  static constexpr int kNobody = -1;
  /// From now on this rank waits for a message of `partner`, or for nobody in particular.
  void talks_to(int partner) { partner_.store(partner, std::memory_order_relaxed); }

  /// "a sum of 8.0 MB; ranks 2 and 3 have not come"; without missing ranks "...; rank 5 has not
  /// answered" when a message is waited for. "" outside of calls. From any thread.
  [[nodiscard]] std::string text(std::span<const int> missing) const;

 private:
  std::atomic<Call> call_ = Call::none;
  std::atomic<std::size_t> bytes_ = 0;
  std::atomic<int> partner_ = kNobody;
};

}  // namespace epi::dist
