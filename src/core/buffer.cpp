#include "core/buffer.hpp"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

namespace epi::core {
namespace {

/// A cache line, and one 512-bit vector.
constexpr std::size_t kLine = 64;
/// Transparent huge pages on x86-64: whole ones only, so sizes are rounded up too.
constexpr std::size_t kHugePage = std::size_t{2} << 20U;

std::byte* allocate_host(std::size_t bytes) {
  const std::size_t alignment = bytes >= kHugePage ? kHugePage : kLine;
  const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (memory == nullptr) {
    throw DeviceError(fmt::format("out of host memory: {} bytes were asked for", bytes));
  }
  if (alignment == kHugePage) (void)madvise(memory, rounded, MADV_HUGEPAGE);  // a hint: may fail
  std::memset(memory, 0, rounded);
  return static_cast<std::byte*>(memory);
}

}  // namespace

Buffer::Buffer(Device device, std::size_t bytes) : device_(device), bytes_(bytes) {
  if (bytes == 0) return;
  if (device.kind == DeviceKind::cpu) {
    data_ = allocate_host(bytes);
  } else {
    data_ = static_cast<std::byte*>(device_backend::allocate(device, bytes));
    device_backend::fill_zero(data_, bytes, nullptr);
  }
}

Buffer::Buffer(Buffer&& other) noexcept
    : device_(other.device_),
      data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (device_.kind == DeviceKind::cpu) {
    std::free(data_);
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
    device_backend::copy(to.raw(), from.raw(), from.bytes(), stream.native());
  }
}

void fill_zero(const View& to, Stream& stream) {
  if (to.device() == kCpu) {
    if (to.bytes() > 0) std::memset(to.raw(), 0, to.bytes());
  } else {
    device_backend::fill_zero(to.raw(), to.bytes(), stream.native());
  }
}

}  // namespace epi::core
