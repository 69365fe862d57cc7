// The folder of a run: who may write it, and where things lie in it.
#pragma once

#include <filesystem>

namespace epi::train {

/// RUN/lock, held by one process: two runs can't write one folder. The system releases it when the
/// process ends, however it ends.
class RunLock {
 public:
  /// Creates the folder if need be. UsageError when another process holds it; IoError otherwise. A
  /// file system without locks gives none: `held` is false then.
  explicit RunLock(const std::filesystem::path& run);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;
  ~RunLock();
  [[nodiscard]] bool held() const { return held_; }

 private:
  int descriptor_ = -1;
  bool held_ = false;
};

struct RunFolder {
  std::filesystem::path root;
  [[nodiscard]] std::filesystem::path checkpoints() const { return root / "checkpoints"; }
  [[nodiscard]] std::filesystem::path config() const { return root / "config.toml"; }
  [[nodiscard]] std::filesystem::path metrics() const { return root / "metrics.csv"; }
  [[nodiscard]] std::filesystem::path events() const { return root / "events.jsonl"; }
};

}  // namespace epi::train
