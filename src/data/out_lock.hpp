// One preparation at a time in one folder: two would write each other's files.
#pragma once

#include <filesystem>

namespace epi::data {

/// The lock is the kernel's (flock): it ends with the process that holds it, however that ends, so
/// a lock file that lies about means nothing. The file says who holds it, for the message only.
class OutLock {
 public:
  /// Nothing locked.
  OutLock() = default;
  /// Locks the file `path`, made when absent. Where the file system has no locks (Lustre may be
  /// mounted without), nothing is held. UsageError naming process and host that hold it; IoError.
  explicit OutLock(const std::filesystem::path& path);
  /// Moved only: one owner lets go.
  OutLock(OutLock&& other) noexcept;
  OutLock& operator=(OutLock&& other) noexcept;
  /// Lets go; the file stays, whoever owns its folder removes it.
  ~OutLock();

  /// Whether this object holds a lock.
  [[nodiscard]] bool held() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

}  // namespace epi::data
