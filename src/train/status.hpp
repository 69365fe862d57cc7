// What people read while a run goes on and when it ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "train/metrics.hpp"
#include "train/run_config.hpp"
#include "train/trainer.hpp"
#include "train/training_step.hpp"

namespace epi::train {

/// One line every log.every steps: mean losses over them, speed, and when the run will end.
class StatusLine {
 public:
  /// `log` and `config` must outlive it; `first_step` is the one resumed from.
  StatusLine(const core::Log& log, const RunConfig& config, std::int64_t first_step)
      : log_(log), config_(config), last_step_(first_step) {}
  /// Adds a step, and logs when a line is due.
  void add(const StepReport& report);

 private:
  const core::Log& log_;
  const RunConfig& config_;
  std::int64_t last_step_;
  ObjectiveTotals dna_, state_;
  ExchangeTotals exchange_;
  double seconds_ = 0.0;
};

/// "dna 8.0312 nats, 1.93 bits/base, ..." for log lines.
[[nodiscard]] std::string describe(const MaskedScores& scores);
/// Speed, memory and seconds per part.
[[nodiscard]] std::string describe_costs(const RunResult& result);
/// The same figures for events.jsonl.
[[nodiscard]] std::vector<EventField> cost_fields(const RunResult& result);

}  // namespace epi::train
