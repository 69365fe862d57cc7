// Writes out the key rule of core::philox for loops files.
#include "kernels/cpu/dropout_key.hpp"

#include "core/philox.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels::cpu {

DropoutKey dropout_key(const Dropout& dropout, const StepState* state, std::int64_t sample) {
  DropoutKey key;
  key.probability = dropout.probability;
  if (dropout.probability <= 0.0F) return key;
  core::require(state != nullptr, "dropout needs a StepState");
  constexpr auto kUse = static_cast<std::uint32_t>(core::RandomUse::dropout);
  const std::uint64_t slot = state->first_slot + static_cast<std::uint64_t>(sample);
  key.key0 = static_cast<std::uint32_t>(state->seed) ^ (kUse * 0x9E3779B9U);
  key.key1 = static_cast<std::uint32_t>(state->seed >> 32U) ^ (kUse * 0xBB67AE85U);
  key.counter0 = static_cast<std::uint32_t>(slot);
  key.counter1 = static_cast<std::uint32_t>(slot >> 32U) ^ (dropout.site << 16U);
  key.counter2 = dropout.layer;
  key.scale = 1.0F / (1.0F - dropout.probability);
  return key;
}

}  // namespace epi::kernels::cpu
