// Log lines for people: one stream per run, rank 0 speaks, other ranks only warn. An object that
// `launch` makes and hands down: library code never prints on its own.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace epi::core {

enum class LogLevel { quiet, info, debug };

class Log {
 public:
  /// `rank` 0 prints everything up to `level` to `out`; other ranks print warnings only, each with
  /// the prefix "[rank R]". `out` must outlive the log. Lines are flushed one by one.
  Log(std::FILE* out, int rank, LogLevel level = LogLevel::info)
      : out_(out), rank_(rank), level_(level) {}
  /// A log that drops everything, for tests.
  Log() = default;

  /// For everybody: printed by rank 0 from LogLevel::info on.
  template <class... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) const {
    if (rank_ == 0 && level_ >= LogLevel::info)
      line("", fmt::format(format, std::forward<Args>(args)...));
  }
  /// For developers: printed by rank 0 at LogLevel::debug.
  template <class... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) const {
    if (rank_ == 0 && level_ >= LogLevel::debug)
      line("", fmt::format(format, std::forward<Args>(args)...));
  }
  /// Printed by every rank at every level: the rank that sees a problem may be the only one.
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) const {
    line("warning: ", fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  /// One line, flushed: a run that is killed loses none.
  void line(const char* prefix, const std::string& text) const;

  std::FILE* out_ = nullptr;
  int rank_ = 0;
  LogLevel level_ = LogLevel::info;
};

}  // namespace epi::core
