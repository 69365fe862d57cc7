// A program run beside ours for what it prints: started, read, ended and reaped. Nothing is forked:
// we live in MPI processes with threads, where only spawning is safe. The child may crash, hang or
// flood us; waiting for it is bounded and so is what we keep of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace epi::data {

/// How a child ended.
struct ChildEnd {
  std::optional<int> status;  ///< exit status
  std::optional<int> signal;  ///< what killed it; neither: another part of the process reaped it
};

class ChildProcess {
 public:
  /// Starts `program` with `arguments`; its stdin is empty. `patience` is how long we wait for it
  /// in all, time between our calls not counted. MissingError when it can't be started; IoError
  /// when the system has no pipes or processes left.
  ChildProcess(const std::filesystem::path& program, const std::vector<std::string>& arguments,
               std::chrono::milliseconds patience);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  /// Kills the child if it still runs, and reaps it.
  ~ChildProcess();

  /// Waits for the next bytes of its stdout: how many there are, 0 at the end; nothing when
  /// patience ran out.
  [[nodiscard]] std::optional<std::size_t> read(std::span<char> into);

  /// Waits for its end, to be called at the end of its stdout; nothing when patience ran out.
  [[nodiscard]] std::optional<ChildEnd> wait();

  /// The start of what it said on stderr so far, 4 KiB at most; the rest is thrown away.
  [[nodiscard]] std::string_view said() const { return said_; }

 private:
  class Waiting;
  bool poll_once(int timeout_ms);  ///< whether stdout has something to say
  void take_errors();

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::chrono::nanoseconds patience_;
  std::string said_;
};

}  // namespace epi::data
