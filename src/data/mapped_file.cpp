#include "data/mapped_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.hpp"

namespace epi::data {
namespace {

[[noreturn]] void fail(const std::filesystem::path& path, const char* what) {
  const int reason = errno;
  const auto message = fmt::format("{}: {}: {}", path.string(), what, std::strerror(reason));
  if (reason == ENOENT) throw core::MissingError(message);
  throw core::IoError(message);
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(path, "cannot open");
  struct ::stat about {};
  void* memory = MAP_FAILED;
  const bool known = ::fstat(descriptor, &about) == 0;
  const auto size = static_cast<std::size_t>(about.st_size);
  if (known && size > 0) memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor, 0);
  const int reason = errno;
  (void)::close(descriptor);  // the mapping keeps the file
  errno = reason;
  if (known && size == 0) return;
  if (memory == MAP_FAILED) fail(path, "cannot map into memory");
  bytes_ = {static_cast<const std::uint8_t*>(memory), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_(std::exchange(other.bytes_, std::span<const std::uint8_t>{})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (bytes_.empty()) return;
  (void)::munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace epi::data
