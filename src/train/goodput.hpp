// Goodput: the share of the time that a run takes in which it makes progress, and what took the
// rest. Of one process, and of the run's whole life, of which earlier processes left their figures
// in events.jsonl.
//
// A process knows where its time went. One that was killed has left its figures of the last
// checkpoint; what it did after that is lost, and the time until the next start nobody worked.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/metrics.hpp"

namespace epi::train {

/// Where time went, in seconds; the parts add up to `wall_s`.
struct TimeUse {
  double wall_s = 0.0;        ///< all of it
  double useful_s = 0.0;      ///< steps that were applied and kept, without what they waited for
  double start_s = 0.0;       ///< before the first step: ranks, corpus, algorithms, reading back
  double checkpoint_s = 0.0;  ///< in which steps waited for checkpoints
  double evaluate_s = 0.0;
  double exchange_s = 0.0;  ///< in which steps waited for other ranks
  double skipped_s = 0.0;   ///< steps whose gradient was not finite
  double redone_s = 0.0;    ///< steps that are done a second time
  double down_s = 0.0;      ///< between two processes

  /// The rest: reports, and what nobody measures.
  [[nodiscard]] double other_s() const;
  /// useful_s / wall_s; 0 when no time has passed.
  [[nodiscard]] double goodput() const;
  TimeUse& operator+=(const TimeUse& more);
  /// "93.1 % of 2 h 5 min (lost: start 1 min 3 s, ...)": parts of a thousandth and more.
  [[nodiscard]] std::string text() const;
  /// For events.jsonl, each with the name that read_life looks for.
  [[nodiscard]] std::vector<EventField> fields() const;
};

/// What earlier processes of a run have left.
struct RunLife {
  std::int64_t starts = 0;     ///< processes that came as far as their first step
  std::int64_t failures = 0;   ///< of these, those that did not end in an orderly way
  TimeUse sum;                 ///< up to this process: down time and lost time included
  double down_s = 0.0;         ///< from the last sign of life until this process began
  double lost_s = 0.0;         ///< of the last process, what came after its last figures
  std::int64_t last_step = 0;  ///< the furthest one in metrics.csv
};

/// Reads what is there before a process that resumes from `step` drops what lies past it; an empty
/// life where there is nothing. `begun_unix_s`: when this process began. IoError.
[[nodiscard]] RunLife read_life(const std::filesystem::path& metrics,
                                const std::filesystem::path& events, std::int64_t step,
                                double begun_unix_s);

/// The life of a run with its present process: there, steps that are done again are useful, because
/// their first time counts as lost.
[[nodiscard]] TimeUse with_present(const RunLife& life, const TimeUse& present);

/// What is known of checkpoints when a run ends.
struct CheckpointCosts {
  std::int64_t every = 0;           ///< steps
  double wait_s = 0.0;              ///< mean time that steps wait for one
  double write_s = 0.0;             ///< longest time to write one
  double step_s = 0.0;              ///< mean
  double between_failures_s = 0.0;  ///< mean
};
/// The interval that loses least time to checkpoints and to steps done twice, sqrt(2 wait_s
/// between_failures_s) (Young, CACM 17(9), 1974, eq. 7; first order of Daly, FGCS 22(3), 2006), but
/// no shorter than twice the time to write one; in steps, at least 1.
[[nodiscard]] std::int64_t best_cadence(const CheckpointCosts& costs);
/// A line for people that compares it with what is set.
[[nodiscard]] std::string cadence_hint(const CheckpointCosts& costs);

}  // namespace epi::train
