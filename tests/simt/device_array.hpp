// An array of a test on a device: made from host values, beginning at any element of its memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/buffer.hpp"

namespace epi::testing {

inline constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

template <class T>
class DeviceArray {
 public:
  /// `first`: how many elements past an aligned address it begins.
  explicit DeviceArray(std::span<const T> values, std::size_t first = 0)
      : size_(values.size()), first_(first), memory_(kGpu, (first + size_) * sizeof(T)) {
    core::Stream stream(kGpu);
    core::device_backend::copy(data(), values.data(), size_ * sizeof(T), stream.native());
    stream.synchronize();
  }
  explicit DeviceArray(const std::vector<T>& values, std::size_t first = 0)
      : DeviceArray(std::span<const T>(values), first) {}

  [[nodiscard]] T* data() const { return reinterpret_cast<T*>(memory_.data()) + first_; }
  [[nodiscard]] std::span<T> span() const { return {data(), size_}; }
  [[nodiscard]] core::View view(std::initializer_list<std::int64_t> shape) const {
    return core::View(data(), shape, kGpu);
  }
  /// What it holds now.
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> host(size_);
    core::Stream stream(kGpu);
    core::device_backend::copy(host.data(), data(), size_ * sizeof(T), stream.native());
    stream.synchronize();
    return host;
  }

 private:
  std::size_t size_;
  std::size_t first_;
  core::Buffer memory_;
};

}  // namespace epi::testing
