#include "fuzz/target.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace epi::fuzz {
namespace {

/// One file for the whole process, in memory where the system has a file system there. It has a
/// name: HDF5 opens no file without one.
class MemoryFile {
 public:
  MemoryFile() {
    const bool in_memory = std::filesystem::is_directory("/dev/shm");
    const std::filesystem::path folder =
        in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path();
    std::string name = (folder / "epi_fuzz_XXXXXX").string();
    handle_ = mkstemp(name.data());
    if (handle_ < 0) throw std::runtime_error("no file in " + folder.string());
    path_ = name;
  }
  ~MemoryFile() {
    (void)close(handle_);
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void fill(std::span<const std::uint8_t> bytes) const {
    if (ftruncate(handle_, 0) != 0) throw std::runtime_error("cannot empty the file in memory");
    const ssize_t written = pwrite(handle_, bytes.data(), bytes.size(), 0);
    if (written != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("short write");
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  int handle_ = -1;
  std::filesystem::path path_;
};

}  // namespace

const std::filesystem::path& as_file(std::span<const std::uint8_t> bytes) {
  static const MemoryFile file;
  file.fill(bytes);
  return file.path();
}

std::string_view as_text(std::span<const std::uint8_t> bytes) {
  // An empty input may come as a null pointer.
  if (bytes.empty()) return {};
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void report(std::string_view reason) {
  std::fprintf(stderr, "finding: %.*s\n", static_cast<int>(reason.size()), reason.data());
  std::abort();
}

void expect(bool ok, std::string_view reason) {
  if (!ok) report(reason);
}

}  // namespace epi::fuzz
