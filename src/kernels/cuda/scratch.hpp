// Device memory that an op uses between its kernels. One op at a time has it: ops of one stream run
// one after another.
#pragma once

#include <cstddef>
#include <vector>

#include "core/buffer.hpp"

namespace epi::kernels::cuda {

class Scratch {
 public:
  explicit Scratch(core::Device device) : device_(device) {}

  /// Begins an op: all of the memory is free for it. At least `bytes`; what grows allocates, so the
  /// first call with a shape must not be recorded into a graph. Older memory is kept, since graphs
  /// may still write there.
  void begin(std::size_t bytes) {
    used_ = 0;
    if (!blocks_.empty() && blocks_.back().bytes() >= bytes) return;
    blocks_.emplace_back(device_, bytes);
  }

  /// `count` elements of the op's memory, aligned to 256 bytes. LogicError beyond what begin got.
  template <class T>
  [[nodiscard]] T* take(std::int64_t count) {
    const std::size_t first = used_;
    used_ += bytes<T>(count);
    core::require(!blocks_.empty() && used_ <= blocks_.back().bytes(),
                  "an op takes no more scratch than it began with");
    return reinterpret_cast<T*>(blocks_.back().data() + first);
  }

  /// What take<T>(count) uses: add these up for begin.
  template <class T>
  [[nodiscard]] static constexpr std::size_t bytes(std::int64_t count) {
    return (static_cast<std::size_t>(count) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
  }

  /// Of all blocks.
  [[nodiscard]] std::size_t held() const {
    std::size_t sum = 0;
    for (const core::Buffer& block : blocks_) sum += block.bytes();
    return sum;
  }

 private:
  static constexpr std::size_t kAlignment = 256;
  core::Device device_;
  std::vector<core::Buffer> blocks_;
  std::size_t used_ = 0;
};

}  // namespace epi::kernels::cuda
