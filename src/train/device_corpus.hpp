// The resident corpus where ops read it: on the CPU the store's own mapped pages, on a device a
// copy in its memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/buffer.hpp"
#include "core/corpus.hpp"

namespace epi::train {

class DeviceCorpus {
 public:
  /// `host` must outlive it. Only these cell types are copied; none listed: all. No work may name
  /// another one. Complete on return. DeviceError without memory.
  DeviceCorpus(const core::CorpusView& host, core::Device device,
               std::span<const std::int32_t> cells = {});

  /// What the host reads.
  [[nodiscard]] const core::CorpusView& host() const { return host_; }
  /// What ops read: the same struct, and on a device pointers into its memory.
  [[nodiscard]] const core::CorpusView& view() const { return view_; }
  /// Of the copy; 0 on the CPU.
  [[nodiscard]] std::size_t bytes() const { return memory_.bytes(); }
  /// What a copy of these cell types takes.
  [[nodiscard]] static std::size_t bytes_of(const core::CorpusView& host,
                                            std::span<const std::int32_t> cells = {});

 private:
  core::CorpusView host_, view_;
  core::Buffer memory_;
};

}  // namespace epi::train
