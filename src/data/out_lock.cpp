#include "data/out_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/error.hpp"

namespace epi::data {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  const int reason = errno;
  throw core::IoError(fmt::format("{}: {}: {}", path.string(), what, std::strerror(reason)));
}

std::string own_name() {
  std::array<char, 256> host{};
  (void)::gethostname(host.data(), host.size() - 1);
  return fmt::format("process {} on {}", ::getpid(), host.data());
}

/// What the holder wrote; it may not have come to that yet.
std::string holder_of(int descriptor) {
  std::array<char, 320> text{};
  const ssize_t got = ::pread(descriptor, text.data(), text.size() - 1, 0);
  return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got))
                 : std::string("another process");
}

/// The holder removes the file with its folder when it is done: a lock on a file that has lost its
/// name keeps nobody out.
bool is_named(const std::filesystem::path& path, int descriptor) {
  struct ::stat here {
  }, there{};
  return ::fstat(descriptor, &here) == 0 && ::stat(path.c_str(), &there) == 0 &&
         here.st_ino == there.st_ino && here.st_dev == there.st_dev;
}

}  // namespace

OutLock::OutLock(const std::filesystem::path& path)
    : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) fail(path, "cannot open");
  OutLock owner;  // closes the file on every way out
  std::swap(owner.descriptor_, descriptor_);
  if (::flock(owner.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno == ENOSYS || errno == ENOLCK || errno == EOPNOTSUPP) return;
    if (errno != EWOULDBLOCK) fail(path, "cannot lock");
    throw core::UsageError(fmt::format("{}: {} prepares this store already; wait for it or end it",
                                       path.string(), holder_of(owner.descriptor_)));
  }
  if (!is_named(path, owner.descriptor_)) {
    throw core::UsageError(fmt::format(
        "{}: another process has just finished or removed this store; look at it", path.string()));
  }
  const std::string name = own_name();
  const bool noted =
      ::ftruncate(owner.descriptor_, 0) == 0 &&
      ::pwrite(owner.descriptor_, name.data(), name.size(), 0) == static_cast<ssize_t>(name.size());
  if (!noted) fail(path, "write failed");
  std::swap(owner.descriptor_, descriptor_);
}

OutLock::OutLock(OutLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

OutLock& OutLock::operator=(OutLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

OutLock::~OutLock() {
  if (descriptor_ >= 0) (void)::close(descriptor_);
}

}  // namespace epi::data
