// Checkpoints that are written while steps go on: a thread of the rank that writes turns a copy of
// the run's state into files. It calls neither MPI nor the device, and it gives way to the threads
// that compute.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <thread>

#include "model/parameters.hpp"
#include "train/checkpoint.hpp"

namespace epi::train {

/// What became of one checkpoint.
struct CheckpointOutcome {
  std::int64_t step = 0;
  std::filesystem::path path;  ///< where it lies; empty when it failed
  std::string failure;         ///< why it does not; "" when it does
  double seconds = 0.0;        ///< from start to the end of the last flush
};

class CheckpointWriter {
 public:
  /// Writes into the folder `checkpoints` and leaves the newest `keep` there. Takes memory for one
  /// copy of the run's state, DeviceError without; the system counts it once it is filled.
  CheckpointWriter(std::filesystem::path checkpoints, const model::ParameterTable& table,
                   std::int64_t keep);
  /// Waits for the checkpoint under way: an error elsewhere in the run must not cost it.
  ~CheckpointWriter();
  /// Not copied: one thread reads the blocks.
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  /// What the next checkpoint will hold; to be filled while none is under way.
  [[nodiscard]] TrainingBlocks blocks() const { return blocks_.views(); }
  /// Begins to write `blocks` and returns; none may be under way.
  void start(CheckpointNote note);
  /// The outcome of the checkpoint that has ended since the last call, told once. Does not wait.
  [[nodiscard]] std::optional<CheckpointOutcome> poll();
  /// The same after waiting for it; nothing when none was under way. LogicError when the writer
  /// itself is at fault; any other error is an outcome.
  [[nodiscard]] std::optional<CheckpointOutcome> wait();

 private:
  void write(const CheckpointNote& note);

  std::filesystem::path checkpoints_;
  model::ParameterTable table_;
  std::int64_t keep_;
  HostBlocks blocks_;
  bool under_way_ = false;
  // The thread's until `done_`; then whoever waits for it reads them.
  CheckpointOutcome outcome_;
  std::exception_ptr fault_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace epi::train
