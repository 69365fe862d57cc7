// Small constant tables of the host (slices of the parameter block) as copies in device memory:
// made at the first call that brings them, found again by their content.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "core/buffer.hpp"

namespace epi::kernels::cuda {

class Uploads {
 public:
  explicit Uploads(core::Device device) : device_(device) {}

  /// The table in device memory; stays there while this object lives. A new one is copied at once
  /// and waited for, so the first call must not be recorded into a graph.
  template <class T>
  [[nodiscard]] const T* find(std::span<const T> table) {
    return reinterpret_cast<const T*>(find_bytes(std::as_bytes(table)));
  }

 private:
  struct Entry {
    std::vector<std::byte> content;
    core::Buffer copy;
  };

  const std::byte* find_bytes(std::span<const std::byte> content) {
    for (const Entry& entry : entries_) {
      if (entry.content.size() == content.size() &&
          std::memcmp(entry.content.data(), content.data(), content.size()) == 0) {
        return entry.copy.data();
      }
    }
    Entry entry{{content.begin(), content.end()}, core::Buffer(device_, content.size())};
    core::Stream stream(device_);
    core::device_backend::copy(entry.copy.data(), entry.content.data(), content.size(),
                               stream.native());
    stream.synchronize();
    entries_.push_back(std::move(entry));
    return entries_.back().copy.data();
  }

  core::Device device_;
  std::vector<Entry> entries_;
};

}  // namespace epi::kernels::cuda
