// Where the time of a step goes: calls, seconds and costs of ops, kept while somebody watches.
//
// Seconds are those of the host's clock around a call, which is the op's own time where calls block
// (the CPU). A device that only queues work needs its own clock: that belongs to its back end.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/op_cost.hpp"

namespace epi::kernels {

class Profile {
 public:
  struct Entry {
    OpCost cost;  ///< of one call
    std::int64_t calls = 0;
    double seconds = 0.0;  ///< of all calls, with the checks of their operands
  };

  /// Room for the ops of a model on few shapes; more of them allocate.
  Profile() { entries_.reserve(kExpectedEntries); }

  /// One more call; calls of equal cost share an entry.
  void add(const OpCost& cost, double seconds);
  /// In the order in which they first came.
  [[nodiscard]] std::span<const Entry> entries() const { return entries_; }
  /// Of all entries: what is left of a step is spent outside of ops.
  [[nodiscard]] double seconds() const;

 private:
  static constexpr std::size_t kExpectedEntries = 64;
  std::vector<Entry> entries_;
};

}  // namespace epi::kernels
