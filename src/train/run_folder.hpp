// The folder of a run: who may write it, and where things lie in it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace epi::train {

/// RUN/lock, held by one process: two runs can't write one folder. The system releases it when the
/// process ends, however it ends.
class RunLock {
 public:
  /// Creates the folder if need be. UsageError when another process holds it; IoError otherwise. A
  /// file system without locks gives none: `held` is false then.
  explicit RunLock(const std::filesystem::path& run);
  /// Moved only: one owner holds the lock.
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  /// Gives the lock up; the file stays.
  ~RunLock();
  /// False where the file system has no locks.
  [[nodiscard]] bool held() const { return held_; }

 private:
  int descriptor_ = -1;
  bool held_ = false;
};

struct RunFolder {
  std::filesystem::path root;
  /// One folder per checkpoint.
  [[nodiscard]] std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  /// The resolved configuration.
  [[nodiscard]] std::filesystem::path config() const { return root / "config.toml"; }
  /// One row per step.
  [[nodiscard]] std::filesystem::path metrics() const { return root / "metrics.csv"; }
  /// One JSON object per line.
  [[nodiscard]] std::filesystem::path events() const { return root / "events.jsonl"; }
  /// What happened when in steps first..last.
  [[nodiscard]] std::filesystem::path trace(std::int64_t first, std::int64_t last) const {
    return root / ("trace-" + std::to_string(first) + "-" + std::to_string(last) + ".json");
  }
};

}  // namespace epi::train
