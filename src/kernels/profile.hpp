// Where the time of a step goes: calls, seconds and costs of ops, kept while somebody watches.
//
// Seconds are those of the device between a mark before the call and one after it. Where calls only
// queue work the marks are read later: waiting after each call would add the time that a launch
// takes to every op, which a busy queue hides.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "core/device.hpp"
#include "kernels/op_cost.hpp"

namespace epi::kernels {

class Profile {
 public:
  struct Entry {
    OpCost cost;  ///< of one call
    std::int64_t calls = 0;
    double seconds = 0.0;  ///< of all calls, with the checks of their operands
  };

  /// One call that is not settled.
  struct Call {
    OpCost cost;
    core::Mark begin, end;
  };

  /// Room for the ops of a model on few shapes; more of them allocate.
  Profile() { entries_.reserve(kExpectedEntries); }

  /// One more call; calls of equal cost share an entry.
  void add(const OpCost& cost, double seconds);
  /// One more call, between two marks of one stream that need not be reached yet: see `settle`.
  void add(const OpCost& cost, core::Mark begin, core::Mark end);
  /// Waits for all marks and adds their times. DeviceError for what earlier work met.
  void settle();
  /// The calls since the last settle, in order, for who asks when each was rather than how long all
  /// took; they are forgotten here, and need not be done.
  [[nodiscard]] std::vector<Call> take_calls() { return std::exchange(queued_, {}); }
  /// In the order in which they first came; without calls that are not settled.
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  /// Of all entries: what is left of a step is spent outside of ops.
  [[nodiscard]] double seconds() const;

 private:
  static constexpr std::size_t kExpectedEntries = 64;
  std::vector<Entry> entries_;
  std::vector<Call> queued_;
};

}  // namespace epi::kernels
