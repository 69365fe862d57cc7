// Where ranks of one host wait for each other, through memory that all of them see. Cheaper than a
// barrier of MPI, and fair where ranks share cores: who waits long gives its core away, first by
// yielding, then by sleeping until the last rank wakes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace epi::dist {

class Meeting {
 public:
  /// What the ranks share; lies in zeroed memory and is made (constructed) once, by one of them.
  struct State {
    alignas(64) std::atomic<std::uint32_t> arrived = 0;  ///< ranks that wait in this round
    alignas(64) std::atomic<std::uint32_t> round = 0;    ///< meetings that took place
    std::atomic<std::uint32_t> asleep = 0;               ///< ranks that want to be woken
  };

  /// `state` must outlive the object; every one of the `ranks` makes its own object on it. `idle`
  /// is called now and then while a rank waits long: a transport makes progress there.
  Meeting(State& state, int ranks, std::function<void()> idle = {});

  /// Returns when all ranks have called it; what each of them wrote before is visible to all after.
  /// Waits for ever for a rank that has died: its launcher ends the others.
  void meet();

 private:
  [[nodiscard]] bool over(std::uint32_t round) const {
    return state_.round.load(std::memory_order_acquire) != round;
  }
  void wait(std::uint32_t round);
  void sleep(std::uint32_t round);

  State& state_;
  std::uint32_t ranks_;
  std::function<void()> idle_;
};

}  // namespace epi::dist
