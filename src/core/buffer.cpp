#include "core/buffer.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace epi::core {
namespace {

/// A cache line, and one 512-bit vector.
constexpr std::size_t kLine = 64;
/// Transparent huge pages on x86-64: whole ones only, so sizes are rounded up too.
constexpr std::size_t kHugePage = std::size_t{2} << 20U;

std::size_t rounded(std::size_t bytes, std::size_t step) {
  return (bytes + step - 1) / step * step;
}

[[noreturn]] void refuse(std::size_t bytes) {
  throw DeviceError(fmt::format("out of host memory: {} bytes were asked for", bytes));
}

/// Pages of our own: zero from the system, and placed on the memory of whichever core writes them
/// first, which one thread that zeroed them all would decide for the others.
std::byte* map_host(std::size_t bytes) {
  const std::size_t size = rounded(bytes, kHugePage);
  const std::size_t wide = size + kHugePage;  // so that a boundary of a huge page lies inside
  void* const mapped = size < bytes ? MAP_FAILED
                                    : ::mmap(nullptr, wide, PROT_READ | PROT_WRITE,
                                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) refuse(bytes);
  auto* const first = static_cast<std::byte*>(mapped);
  const std::size_t before = rounded(reinterpret_cast<std::uintptr_t>(first), kHugePage) -
                             reinterpret_cast<std::uintptr_t>(first);
  if (before > 0) ::munmap(first, before);
  ::munmap(first + before + size, kHugePage - before);
  (void)::madvise(first + before, size, MADV_HUGEPAGE);  // a hint: may fail
  return first + before;
}

std::byte* allocate_host(std::size_t bytes) {
  if (bytes >= kHugePage) return map_host(bytes);
  void* const memory = std::aligned_alloc(kLine, rounded(bytes, kLine));
  if (memory == nullptr) refuse(bytes);
  std::memset(memory, 0, bytes);
  return static_cast<std::byte*>(memory);
}

void release_host(std::byte* data, std::size_t bytes) {
  if (bytes >= kHugePage) {
    ::munmap(data, rounded(bytes, kHugePage));
  } else {
    std::free(data);
  }
}

}  // namespace

std::size_t host_footprint(std::size_t bytes) {
  return rounded(bytes, bytes >= kHugePage ? kHugePage : kLine);
}

Buffer::Buffer(Device device, std::size_t bytes) : device_(device), bytes_(bytes) {
  if (bytes == 0) return;
  if (device.kind == DeviceKind::cpu) {
    data_ = allocate_host(bytes);
  } else {
    data_ = static_cast<std::byte*>(device_backend::allocate(device, bytes));
    device_backend::fill_zero(data_, bytes, nullptr);
  }
}

Buffer Buffer::pinned(std::size_t bytes) {
  if (bytes == 0 || cuda_device_count() == 0) return {kCpu, bytes};
  const std::shared_ptr<std::byte> memory(
      static_cast<std::byte*>(device_backend::allocate_pinned(bytes)),
      [](std::byte* m) { device_backend::release_pinned(m); });
  std::memset(memory.get(), 0, bytes);
  return {kCpu, memory, bytes};
}

Buffer::Buffer(Buffer&& other) noexcept
    : device_(other.device_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      owner_(std::move(other.owner_)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(owner_, other.owner_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ == nullptr || owner_) return;
  if (device_.kind == DeviceKind::cpu) {
    release_host(data_, bytes_);
  } else {
    device_backend::release(device_, data_);
  }
}

View Buffer::view(DType type, std::initializer_list<std::int64_t> shape) const {
  View view(data_, type, shape, device_);
  require(view.bytes() <= bytes_, "view larger than its buffer");
  return view;
}

Tensor::Tensor(DType type, std::initializer_list<std::int64_t> shape, Device device)
    : buffer_(device, View(nullptr, type, shape, device).bytes()),
      view_(buffer_.data(), type, shape, device) {}

void copy(const View& to, const ConstView& from, Stream& stream) {
  require(to.dtype() == from.dtype() && to.size() == from.size(), "copy between unlike views");
  if (to.device() == kCpu && from.device() == kCpu) {
    if (from.bytes() > 0) std::memcpy(to.raw(), from.raw(), from.bytes());
  } else {
    require(stream.native() != nullptr, "device memory is copied in a device's stream");
    device_backend::copy(to.raw(), from.raw(), from.bytes(), stream.native());
  }
}

void fill_zero(const View& to, Stream& stream) {
  if (to.device() == kCpu) {
    if (to.bytes() > 0) std::memset(to.raw(), 0, to.bytes());
  } else {
    require(stream.native() != nullptr, "device memory is zeroed in a device's stream");
    device_backend::fill_zero(to.raw(), to.bytes(), stream.native());
  }
}

}  // namespace epi::core
