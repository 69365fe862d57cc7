#include "fuzz/target.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace epi::fuzz {
namespace {

/// One file without a name for the whole process: opening it by path costs microseconds.
class MemoryFile {
 public:
  MemoryFile() : handle_(memfd_create("input", 0)) {
    if (handle_ < 0) throw std::runtime_error("no file in memory");
    path_ = "/proc/self/fd/" + std::to_string(handle_);
  }
  ~MemoryFile() { (void)close(handle_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  void fill(std::span<const std::uint8_t> bytes) const {
    if (ftruncate(handle_, 0) != 0) throw std::runtime_error("cannot empty the file in memory");
    const ssize_t written = pwrite(handle_, bytes.data(), bytes.size(), 0);
    if (written != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("short write");
  }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  int handle_;
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
