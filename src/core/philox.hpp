// Philox4x32-10, a counter-based random generator: Salmon et al., "Parallel random numbers: as easy
// as 1, 2, 3" (SC 2011). A pure function of key and counter, so order, masks, dropout and initial
// values need no state and no resume. Free of the standard library's run time: device code may
// include it.
#pragma once

#include <array>
#include <cstdint>

namespace epi::core {

using PhiloxBlock = std::array<std::uint32_t, 4>;

/// What a random number is for. The purpose is part of the key, so no two uses share a stream.
enum class RandomUse : std::uint32_t {
  order = 1,      ///< permutation of windows x cell types
  jitter,         ///< start of a window within its slack
  strand,         ///< reverse complement or not
  dna_mask,       ///< which bases are hidden, kept, replaced
  state_mask,     ///< which bins are hidden
  state_dropout,  ///< whole track becomes missing
  dropout,        ///< activations
  parameters,     ///< initial values
  test,
  cells,  ///< which cell types show a window
};

/// Four random words for (seed, use, counter). The counter's meaning belongs to the caller; its
/// documentation says what (slot, layer, site, position) go where.
[[nodiscard]] constexpr PhiloxBlock philox(std::uint64_t seed, RandomUse use, PhiloxBlock counter) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53U;
  constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57U;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9U;
  constexpr std::uint32_t kWeyl1 = 0xBB67AE85U;
  // The use is spread over both key words with the Weyl constants, which no seed difference of a
  // small integer reproduces.
  std::uint32_t key0 =
      static_cast<std::uint32_t>(seed) ^ (static_cast<std::uint32_t>(use) * kWeyl0);
  std::uint32_t key1 =
      static_cast<std::uint32_t>(seed >> 32U) ^ (static_cast<std::uint32_t>(use) * kWeyl1);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{kMultiplier0} * counter[0];
    const std::uint64_t product1 = std::uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32U) ^ counter[1] ^ key0,
               static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32U) ^ counter[3] ^ key1,
               static_cast<std::uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

/// Uniform in [0, n) from one random word, without division (Lemire, arXiv 1805.10941, its biased
/// form: bias at most n / 2^32). n >= 1.
[[nodiscard]] constexpr std::uint32_t uniform_below(std::uint32_t word, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{word} * n) >> 32U);
}

/// Uniform in [0, 1) with 24 bits.
[[nodiscard]] constexpr float uniform_float(std::uint32_t word) {
  return static_cast<float>(word >> 8U) * 0x1p-24F;
}

}  // namespace epi::core
