// metrics.csv, one row per step, and events.jsonl, one JSON object per line: what a run did, for
// tools. A resumed run drops what lies past its checkpoint, so no step occurs twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <variant>
#include <vector>

namespace epi::train {

/// One row of metrics.csv, in column order. Losses are nats per target.
struct MetricsRow {
  std::int64_t step = 0;
  double epoch = 0.0;
  std::int64_t samples = 0;  ///< windows since the run began
  std::int64_t tokens = 0;   ///< of those windows, special tokens included
  double learning_rate = 0.0;
  double loss = 0.0;
  double dna_loss = 0.0;
  double state_loss = 0.0;
  double dna_accuracy = 0.0;
  double gradient_norm = 0.0;
  bool skipped = false;
  double tokens_per_s = 0.0;
  double seconds = 0.0;           ///< of this step
  std::uint64_t fingerprint = 0;  ///< RunProgress::fingerprint; 16 hexadecimal digits in the file
};

struct EventField {
  std::string key;
  std::variant<std::int64_t, double, std::string> value;
};

/// Appends to both files of one run; made on the rank that writes.
class MetricsLog {
 public:
  /// Keeps rows and events up to `step` (0: none of the rows) and drops torn lines. IoError, or
  /// FormatError if metrics.csv has other columns.
  MetricsLog(const std::filesystem::path& csv, const std::filesystem::path& events,
             std::int64_t step);
  ~MetricsLog();
  /// Not copied: it owns both open files.
  MetricsLog(const MetricsLog&) = delete;
  MetricsLog& operator=(const MetricsLog&) = delete;

  /// Appends one line, not flushed to disk; IoError.
  void add(const MetricsRow& row);
  /// {"event": name, "time": UTC, "step": step, fields...}
  void event(const std::string& name, std::int64_t step, const std::vector<EventField>& fields);

 private:
  std::filesystem::path csv_path_, events_path_;
  int csv_ = -1;
  int events_ = -1;
};

}  // namespace epi::train
