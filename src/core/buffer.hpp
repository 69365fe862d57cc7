// The owner of device memory. Everything else is a view that must not outlive it.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>

#include "core/device.hpp"
#include "core/view.hpp"

namespace epi::core {

/// Zeroed memory on one device, aligned to 64 bytes (2 MiB and transparent huge pages on the CPU
/// from 2 MiB on; such pages count as used only once they are touched, and lie where the thread
/// that touches them first runs). Move-only: copying device memory takes a stream, see `copy`.
class Buffer {
 public:
  /// No memory, on the CPU: what a moved-from buffer is too.
  Buffer() = default;
  /// Throws DeviceError when the device has not enough memory.
  Buffer(Device device, std::size_t bytes);
  /// Memory that somebody else has made, such as a window that several processes share; `memory`
  /// keeps it alive and gives it back.
  Buffer(Device device, std::shared_ptr<std::byte> memory, std::size_t bytes)
      : device_(device), data_(memory.get()), bytes_(bytes), owner_(std::move(memory)) {}
  /// Zeroed page-locked memory of the host, which devices copy from and to on their own; ordinary
  /// memory in a process without devices. Call it where work of this thread's device has begun (a
  /// stream was made): a thread without one takes the first GPU. DeviceError.
  [[nodiscard]] static Buffer pinned(std::size_t bytes);
  /// Takes the memory over; `other` is left empty, its views now belong to this buffer.
  Buffer(Buffer&& other) noexcept;
  /// Swaps, so the old memory lives until `other` ends.
  Buffer& operator=(Buffer&& other) noexcept;
  /// Not copied: a copy of device memory takes a stream.
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  /// Frees at once: work that still uses the memory must be finished. Never throws.
  ~Buffer();

  /// First byte, on the buffer's device; null when it is empty.
  [[nodiscard]] std::byte* data() const { return data_; }
  /// Size as asked for, without what alignment adds.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// Where data() may be read: the host reads it on the CPU only.
  [[nodiscard]] Device device() const { return device_; }
  /// The buffer's first elements under a shape; LogicError when they don't fit.
  [[nodiscard]] View view(DType type, std::initializer_list<std::int64_t> shape) const;

 private:
  Device device_ = kCpu;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::shared_ptr<std::byte> owner_;  ///< of memory that is not this buffer's own
};

/// What a buffer of this size takes of the host's memory once it is touched: whole huge pages from
/// one such page on.
[[nodiscard]] std::size_t host_footprint(std::size_t bytes);

/// A buffer with its element type and shape: the common case.
class Tensor {
 public:
  /// The absent tensor: its view is absent too, so ops take it for optional operands.
  Tensor() = default;
  /// Zeroed memory for 1 to 4 sizes. DeviceError when the device has not enough memory.
  Tensor(DType type, std::initializer_list<std::int64_t> shape, Device device = kCpu);
  /// The buffer's first elements under a shape; LogicError when they don't fit.
  Tensor(Buffer buffer, DType type, std::initializer_list<std::int64_t> shape)
      : buffer_(std::move(buffer)), view_(buffer_.view(type, shape)) {}
  /// All elements under the tensor's shape; valid while the tensor lives.
  [[nodiscard]] const View& view() const { return view_; }
  /// Tensors go wherever views are asked for; the view must not outlive its tensor.
  operator View() const { return view_; }  // NOLINT(google-explicit-constructor)
  /// The same for operands that are only read.
  operator ConstView() const { return view_; }  // NOLINT(google-explicit-constructor)
  /// Elements as T; LogicError when T is not the element type.
  template <class T>
  [[nodiscard]] T* as() const {
    return view_.as<T>();
  }

 private:
  Buffer buffer_;
  View view_;
};

/// Queues the copy of `from` into `to` (same type and size, any two devices) on `stream`, which is
/// of one of these devices. On the CPU alone it is done on return.
void copy(const View& to, const ConstView& from, Stream& stream);

/// Queues zeroing of `to` on `stream`.
void fill_zero(const View& to, Stream& stream);

}  // namespace epi::core
