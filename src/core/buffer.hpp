// The owner of device memory. Everything else is a view that must not outlive it.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <utility>

#include "core/device.hpp"
#include "core/view.hpp"

namespace epi::core {

/// Zeroed memory on one device, aligned to 64 bytes (2 MiB and transparent huge pages on the CPU
/// from 2 MiB on). Move-only: copying device memory takes a stream, see `copy`.
class Buffer {
 public:
  Buffer() = default;
  /// Throws DeviceError when the device has not enough memory.
  Buffer(Device device, std::size_t bytes);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] Device device() const { return device_; }
  /// The buffer's first elements under a shape; LogicError when they don't fit.
  [[nodiscard]] View view(DType type, std::initializer_list<std::int64_t> shape) const;

 private:
  Device device_ = kCpu;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A buffer with its element type and shape: the common case.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType type, std::initializer_list<std::int64_t> shape, Device device = kCpu);
  [[nodiscard]] const View& view() const { return view_; }
  operator View() const { return view_; }       // NOLINT(google-explicit-constructor)
  operator ConstView() const { return view_; }  // NOLINT(google-explicit-constructor)
  template <class T>
  [[nodiscard]] T* as() const {
    return view_.as<T>();
  }

 private:
  Buffer buffer_;
  View view_;
};

/// Queues the copy of `from` into `to` (same type and size, any two devices) on `stream`.
void copy(const View& to, const ConstView& from, Stream& stream);

/// Queues zeroing of `to` on `stream`.
void fill_zero(const View& to, Stream& stream);

}  // namespace epi::core
