// Dropout draws on the device: the words that `Dropout` (ops.hpp) names, as factors.
#pragma once

#include "core/philox.hpp"
#include "kernels/ops.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

/// What is the same for all samples of a call; without a state nothing is dropped.
struct DropoutSite {
  const StepState* state = nullptr;
  std::uint32_t layer = 0, site = 0;
  std::uint32_t dropped_below = 0;  ///< words below are dropped
  float scale = 1.0F;               ///< of what is kept
};

[[nodiscard]] inline DropoutSite dropout_site(const Dropout& dropout, const StepState* state) {
  if (dropout.probability <= 0.0F) return {};
  // uniform_float(word) < p where the upper 24 bits are below p 2^24; both steps are exact.
  const float scaled = dropout.probability * 0x1p24F;
  const auto whole = static_cast<std::uint32_t>(scaled);
  const std::uint32_t limit = static_cast<float>(whole) < scaled ? whole + 1U : whole;
  return {state, dropout.layer, dropout.site, limit << 8U, 1.0F / (1.0F - dropout.probability)};
}

/// The draws of one sample. Reads the state once, so make it before loops that store.
class DropoutDraws {
 public:
  __device__ DropoutDraws(const DropoutSite& site, std::int64_t sample) : site_(site) {
    if (!drop()) return;
    const std::uint64_t slot = site.state->first_slot + static_cast<std::uint64_t>(sample);
    seed_ = site.state->seed;
    counter0_ = static_cast<std::uint32_t>(slot);
    counter1_ = static_cast<std::uint32_t>(slot >> 32U) ^ (site.site << 16U);
  }

  /// Whether anything is dropped; the others ask for it.
  __device__ bool drop() const { return site_.state != nullptr; }
  /// Factors of elements 4 draw to 4 draw + 3 of the sample: 0 or the scale.
  __device__ void four(std::uint32_t draw, float* factors) const {
    const core::PhiloxBlock words =
        core::philox(seed_, core::RandomUse::dropout, {counter0_, counter1_, site_.layer, draw});
#pragma unroll
    for (std::size_t i = 0; i < 4; ++i) factors[i] = factor(words[i]);
  }
  /// Of elements first to first + 7; a multiple of 4 costs two draws.
  template <bool kMultipleOfFour>
  __device__ void eight(std::int64_t first, float (&factors)[8]) const {
    const auto draw = static_cast<std::uint32_t>(first / 4);
    if constexpr (kMultipleOfFour) {
      four(draw, factors);
      four(draw + 1, factors + 4);
    } else {
      float all[12];
      const int skip = static_cast<int>(first % 4);
      for (std::uint32_t i = 0; i < 3; ++i) four(draw + i, all + 4 * i);
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        // Constant places, so that `all` stays in registers.
        factors[i] = skip == 0   ? all[i]
                     : skip == 1 ? all[i + 1]
                     : skip == 2 ? all[i + 2]
                                 : all[i + 3];
      }
    }
  }

 private:
  __device__ float factor(std::uint32_t word) const {
    return word < site_.dropped_below ? 0.0F : site_.scale;
  }

  DropoutSite site_;
  std::uint64_t seed_ = 0;
  std::uint32_t counter0_ = 0, counter1_ = 0;
};

}  // namespace epi::kernels::cuda
