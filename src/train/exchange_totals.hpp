// What the exchange of gradients costs a run: sums over the steps whose report tells it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dist/gradient_buckets.hpp"
#include "train/metrics.hpp"

namespace epi::train {

struct ExchangeTotals {
  std::int64_t steps = 0;
  double exchange_s = 0.0;  ///< in which gradients were on their way
  double exposed_s = 0.0;   ///< of these, those that backward did not hide

  void add(const dist::ExchangeStatistics& step);
  /// Mean seconds that a step waits; 0 without steps.
  [[nodiscard]] double exposed_per_step_s() const;
  /// Hidden share, 0 to 1; 1 where nothing was exchanged.
  [[nodiscard]] double overlap() const;
  /// "exchange 3.10 ms a step, 0.41 ms of it exposed (87 % hidden)"; "" without steps.
  [[nodiscard]] std::string text() const;
  /// Means over the steps, for events.jsonl.
  [[nodiscard]] std::vector<EventField> fields() const;
};

}  // namespace epi::train
