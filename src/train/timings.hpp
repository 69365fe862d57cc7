// Seconds per part of a training run, measured on the host around blocking calls.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

namespace epi::train {

enum class Part : std::uint8_t {
  assemble,  ///< sample references and Ops::assemble
  forward,
  backward,  ///< with the merges of micro-batches' gradients
  exchange,  ///< waiting for other ranks: gradients and step totals
  update,    ///< norm, clipping, AdamW
  device,    ///< whole steps of a device, by its clock: their parts are not told apart
  evaluate,
  checkpoint,
  report,  ///< metrics, events, status lines
};
inline constexpr std::size_t kNumParts = 9;

/// As in events.jsonl, where "_s" is appended.
[[nodiscard]] constexpr const char* name_of(Part part) {
  constexpr std::array<const char*, kNumParts> kNames = {"assemble", "forward",    "backward",
                                                         "exchange", "update",     "device",
                                                         "evaluate", "checkpoint", "report"};
  return kNames[static_cast<std::size_t>(part)];
}

/// Parts that belong to every step; evaluation, checkpoints and reports come on top.
[[nodiscard]] constexpr bool in_step(Part part) {
  return part <= Part::device;
}

class Timings {
 public:
  using Clock = std::chrono::steady_clock;
  /// Told what `measure` measured, once it is over.
  using Watcher = std::function<void(Part part, Clock::time_point begin, Clock::time_point end)>;

  /// From now on `watcher` hears of every part; empty: nobody, as at first.
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }
  /// Adds to what the part has taken so far.
  void add(Part part, double seconds) { seconds_[static_cast<std::size_t>(part)] += seconds; }
  /// Of one part, since the run began or was resumed.
  [[nodiscard]] double seconds(Part part) const { return seconds_[static_cast<std::size_t>(part)]; }
  /// Of all steps so far, without evaluation, checkpoints and reports.
  [[nodiscard]] double step_seconds() const {
    double sum = 0.0;
    for (std::size_t i = 0; i < kNumParts; ++i) {
      if (in_step(static_cast<Part>(i))) sum += seconds_[i];
    }
    return sum;
  }
  /// Share of a part in step_seconds(); 0 before the first step.
  [[nodiscard]] double share(Part part) const {
    const double total = step_seconds();
    return total > 0.0 ? seconds(part) / total : 0.0;
  }

  /// Runs `body`, adds the time it took, and returns what it returns.
  template <class Body>
  decltype(auto) measure(Part part, Body&& body) {
    const Scope scope(*this, part);
    return body();
  }

 private:
  class Scope {
   public:
    Scope(Timings& timings, Part part) : timings_(timings), part_(part) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      const Clock::time_point end = Clock::now();
      timings_.add(part_, std::chrono::duration<double>(end - start_).count());
      if (timings_.watcher_) timings_.watcher_(part_, start_, end);
    }

   private:
    Timings& timings_;
    Part part_;
    Clock::time_point start_ = Clock::now();
  };

  std::array<double, kNumParts> seconds_{};
  Watcher watcher_;
};

}  // namespace epi::train
