// metrics.csv, one row per step, and events.jsonl, one JSON object per line: what a run did, for
// tools. A resumed run drops what lies past its checkpoint, so no step occurs twice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
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

/// A file that grows by lines. A line that the system refuses (a full disk) is kept and written
/// before the next one.
class LineFile {
 public:
  /// Of a file that is there; IoError.
  explicit LineFile(std::filesystem::path path);
  ~LineFile();
  /// Not copied: it owns the open file.
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  /// Writes what waits and `line`, which ends with a line feed or is empty; not flushed to disk.
  void append(std::string_view line);
  /// Why lines are waiting; "" when none are.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::string waiting_, trouble_;
};

/// Appends to both files of one run; made on the rank that writes.
class MetricsLog {
 public:
  /// Keeps rows and events up to `step` (0: none of the rows) and drops torn lines. IoError, or
  /// FormatError if metrics.csv has other columns.
  MetricsLog(const std::filesystem::path& csv, const std::filesystem::path& events,
             std::int64_t step);

  /// Appends one line; what cannot be written waits.
  void add(const MetricsRow& row);
  /// {"event": name, "time": UTC, "step": step, fields...}; likewise.
  void event(const std::string& name, std::int64_t step, const std::vector<EventField>& fields);
  /// Why something waits; "" when nothing does.
  [[nodiscard]] const std::string& trouble() const;
  /// Writes what waits; IoError when that is refused again.
  void flush();

 private:
  LineFile csv_, events_;
};

}  // namespace epi::train
