// Which samples a run has trained on, as one number that two runs can be compared by. A step's
// number is a sum of hashes, one per sample, so that it does not matter which rank had which; the
// run's number takes in one step after the other, so that their order does.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "core/corpus.hpp"

namespace epi::train {

/// Sum modulo 2^64 of the hashes of samples with their slots, of which the first is `first_slot`.
/// The slot counts because masks and dropout follow from it.
[[nodiscard]] std::uint64_t fingerprint_of(std::uint64_t first_slot,
                                           std::span<const core::SampleRef> samples);

/// The run's fingerprint after a step over samples of that sum; 0 before the first one.
[[nodiscard]] std::uint64_t rolled(std::uint64_t fingerprint, std::uint64_t step_sum);

/// 16 hexadecimal digits.
[[nodiscard]] std::string fingerprint_text(std::uint64_t fingerprint);
/// Its inverse; 0 for any other text.
[[nodiscard]] std::uint64_t fingerprint_from(const std::string& text);

/// A number in [0, 2^64) as two doubles whose sums over up to 2^20 ranks are exact, and back.
struct SplitSum {
  double low = 0.0, high = 0.0;
  [[nodiscard]] static SplitSum of(std::uint64_t value);
  /// Modulo 2^64.
  [[nodiscard]] std::uint64_t value() const;
};

}  // namespace epi::train
