// A file mapped into memory, read only. The page cache holds it once per node, however many ranks
// map it, and serves files larger than memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

namespace epi::data {

class MappedFile {
 public:
  /// MissingError or IoError with the system's reason. An empty file maps to no bytes.
  explicit MappedFile(const std::filesystem::path& path);
  /// Moved only; views of the bytes stay valid, since the mapping does not move.
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  /// Unmaps: every view of the bytes ends here.
  ~MappedFile();

  /// The whole file; pages are read when they are first touched.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return bytes_; }

 private:
  std::span<const std::uint8_t> bytes_;
};

}  // namespace epi::data
