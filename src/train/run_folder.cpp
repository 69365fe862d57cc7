#include "train/run_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "core/files.hpp"

namespace epi::train {
namespace {

void make_folder(const std::filesystem::path& run) {
  std::error_code error;
  std::filesystem::create_directories(run, error);
  if (error) throw core::IoError(fmt::format("{}: {}", run.string(), error.message()));
}

// Who holds the lock, for the message; what is written there has no other use.
void write_owner(int descriptor) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  const std::string text = fmt::format("process {} on {}\n", ::getpid(), host);
  if (::ftruncate(descriptor, 0) != 0 || ::write(descriptor, text.data(), text.size()) < 0) {
    return;
  }
}

std::string owner_of(const std::filesystem::path& lock) {
  std::string text = core::read_text(lock);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.empty() ? "another process" : text;
}

}  // namespace

RunLock::RunLock(const std::filesystem::path& run) {
  make_folder(run);
  const std::filesystem::path path = run / "lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    throw core::IoError(fmt::format("{}: {}", path.string(), std::strerror(errno)));
  }
  // Without waiting: the user should hear at once who holds it.
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
    held_ = true;
    write_owner(descriptor_);
    return;
  }
  if (errno != EWOULDBLOCK) return;  // no locks on this file system
  ::close(std::exchange(descriptor_, -1));
  throw core::UsageError(
      fmt::format("{}: {} is writing this run: wait for it, or give another --out", run.string(),
                  owner_of(path)));
}

RunLock::RunLock(RunLock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), held_(other.held_) {}

RunLock::~RunLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace epi::train
