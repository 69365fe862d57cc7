// The seam between data and training: which sample stands in which slot.
#pragma once

#include <cstdint>
#include <span>

#include "core/corpus.hpp"

namespace epi::data {

/// Slots are global sample numbers, 0 for the first sample of the run; slot / epoch_size() is the
/// epoch. A pure function of the slot: any slot, any order, any number of ranks.
class SampleSource {
 public:
  /// Sources hold no resources of a run; users keep a reference.
  virtual ~SampleSource() = default;
  /// Samples per epoch.
  [[nodiscard]] virtual std::int64_t epoch_size() const = 0;
  /// out[i] = sample of slot first_slot + i.
  virtual void samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const = 0;
};

}  // namespace epi::data
