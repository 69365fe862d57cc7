#include "core/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/error.hpp"

namespace epi::core {
namespace {

/// Reads errno first: formatting the message may change it.
[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  const int reason = errno;
  const std::string message = fmt::format("{}: {}: {}", path.string(), what, std::strerror(reason));
  if (reason == ENOENT) throw MissingError(message);
  throw IoError(message);
}

/// An open descriptor, closed on every way out.
class Descriptor {
 public:
  Descriptor(const std::filesystem::path& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (fd_ < 0) fail(path, "cannot open");
  }
  ~Descriptor() { (void)::close(fd_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// A bare file name lies in the current folder, which fsync needs a name for.
std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

std::string read_text(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  std::string text;
  char block[65536];
  while (true) {
    const ssize_t got = ::read(file.get(), block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "read failed");
    if (got == 0) return text;
    text.append(block, static_cast<std::size_t>(got));
  }
}

void write_durably(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  const std::filesystem::path aside = path.string() + ".tmp";
  {
    const Descriptor file(aside, O_WRONLY | O_CREAT | O_TRUNC);
    while (!bytes.empty()) {
      const ssize_t put = ::write(file.get(), bytes.data(), bytes.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) fail(aside, "write failed");
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
    if (::fsync(file.get()) != 0) fail(aside, "fsync failed");
  }
  // Only now: a crash before leaves the old file untouched under its name.
  publish(aside, path);
}

void write_durably(const std::filesystem::path& path, std::string_view text) {
  write_durably(path, std::as_bytes(std::span(text.data(), text.size())));
}

void sync_path(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  if (::fsync(file.get()) != 0) fail(path, "fsync failed");
}

void publish(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail(to, "rename into place failed");
  // The rename itself lives in the folder: without this it may be lost in a power cut.
  sync_path(folder_of(to));
}

}  // namespace epi::core
