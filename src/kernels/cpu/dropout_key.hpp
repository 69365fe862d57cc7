// What a loops file needs to know of a dropout site: Philox key and counter words, as plain
// numbers.
#pragma once

#include <cstdint>

namespace epi::kernels {
struct Dropout;
struct StepState;
}  // namespace epi::kernels

namespace epi::kernels::cpu {

/// The stream of one sample at one site: element e draws word e % 4 of
/// Philox(key, {counter0, counter1, counter2, e / 4}).
struct DropoutKey {
  std::uint32_t key0 = 0;
  std::uint32_t key1 = 0;
  std::uint32_t counter0 = 0;
  std::uint32_t counter1 = 0;
  std::uint32_t counter2 = 0;
  float probability = 0.0F;  ///< of zero; 0: no dropout, don't draw
  float scale = 1.0F;        ///< of what is kept
};

/// The key for row `sample` of the micro-batch, by the rule at `Dropout`. `state` may be null when
/// the probability is 0.
[[nodiscard]] DropoutKey dropout_key(const Dropout& dropout, const StepState* state,
                                     std::int64_t sample);

}  // namespace epi::kernels::cpu
