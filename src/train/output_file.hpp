// A file being written once: appended to, digested on the way, fsynced, closed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "core/digest.hpp"

namespace epi::train {

class OutputFile {
 public:
  /// Creates the file (IoError with the system's reason, also when it exists already).
  explicit OutputFile(std::filesystem::path path);
  /// Not copied: the file is written and digested once.
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  /// Closes; a file without `finish` is incomplete.
  ~OutputFile();

  /// Writes and digests the next bytes; IoError with the system's reason.
  void append(std::span<const std::byte> bytes);
  /// Flushes to disk and closes. IoError with the system's reason.
  void finish();
  /// Bytes appended so far.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  /// XXH3-128 of all that was appended.
  [[nodiscard]] std::string digest() const { return digest_.hex(); }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
  core::Digest digest_;
};

}  // namespace epi::train
