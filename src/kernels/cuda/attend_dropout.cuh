// Which probabilities of attention are kept, as bits: drawn before they are needed, in loops that
// name no register of the scores.
//
// Element e = (head T + query) T + key takes word e % 4 of the draw of counter e / 4. Where T is a
// multiple of 4, the four keys of a draw lie in one tile: threads that hold them draw for each
// other, one draw for each four probabilities. Otherwise each probability makes its own.
#pragma once

#include "core/philox.hpp"
#include "kernels/cuda/dropout.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

/// The draws of one head of one sample.
struct Draws {
  std::uint64_t seed;
  std::uint32_t counter0, counter1, counter2;
  std::uint32_t dropped_below;
  std::uint32_t tokens;
  std::uint32_t head;

  __device__ Draws(const DropoutSite& d, int sample, int of_head, int of_tokens)
      : seed(0),
        counter0(0),
        counter1(0),
        counter2(d.layer),
        dropped_below(d.dropped_below),
        tokens(static_cast<std::uint32_t>(of_tokens)),
        head(static_cast<std::uint32_t>(of_head)) {
    if (d.state == nullptr) return;
    const std::uint64_t slot = d.state->first_slot + static_cast<std::uint64_t>(sample);
    seed = d.state->seed;
    counter0 = static_cast<std::uint32_t>(slot);
    counter1 = static_cast<std::uint32_t>(slot >> 32U) ^ (d.site << 16U);
  }

  /// Whether four words of a draw are kept, as bits.
  __device__ std::uint32_t four(std::uint32_t draw) const {
    const core::PhiloxBlock words =
        core::philox(seed, core::RandomUse::dropout, {counter0, counter1, counter2, draw});
    return (words[0] >= dropped_below ? 1U : 0U) | (words[1] >= dropped_below ? 2U : 0U) |
           (words[2] >= dropped_below ? 4U : 0U) | (words[3] >= dropped_below ? 8U : 0U);
  }
  /// Of keys 4 i to 4 i + 3, key being one of these; tokens is a multiple of 4.
  __device__ std::uint32_t four_keys(int query, int key) const {
    const std::uint32_t row = head * tokens + static_cast<std::uint32_t>(query);
    return four(row * (tokens / 4U) + static_cast<std::uint32_t>(key) / 4U);
  }
  /// Bit 0 for one key.
  __device__ std::uint32_t one(int query, int key) const {
    const std::uint64_t row = std::uint64_t{head} * tokens + static_cast<std::uint32_t>(query);
    const std::uint64_t element = row * tokens + static_cast<std::uint32_t>(key);
    return four(static_cast<std::uint32_t>(element / 4U)) >> (element % 4U) & 1U;
  }
};

/// Bits of 16 queries (rows, from `query` on) by 8 kN keys (columns, from `key` on) of sums, at
/// most 64 keys: bit_of_row says where.
template <int kN>
__device__ inline std::uint32_t draw_queries_by_keys(const Draws& draws, int query, int key) {
  constexpr int kPairs = kN / 2;  // of tiles
  const int lane = simt::lane();
  const int row = query + lane / 4;
  std::uint32_t bits = 0;
  if (draws.tokens % 4U != 0) {
#pragma unroll 1
    for (int bit = 0; bit < 8 * kPairs; ++bit) {
      const int tile = bit / 4 % kPairs * 2 + bit % 4 / 2;
      const int column = tile * 8 + lane % 4 * 2 + bit % 2;
      bits |= draws.one(row + bit / (4 * kPairs) * 8, key + column) << bit;
    }
    return bits;
  }
  // Two neighbours hold four keys: the even one draws for even tiles, the odd one for odd tiles.
  const int odd = lane & 1;
  const int first = key + odd * 8 + lane % 4 / 2 * 4;
#pragma unroll 2
  for (int i = 0; i < 2 * kPairs; ++i) {
    bits |= draws.four_keys(row + i / kPairs * 8, first + i % kPairs * 16) << (4 * i);
  }
  const std::uint32_t others = simt::shuffle_xor(bits, 1);
  const std::uint32_t even_tiles = (odd == 0 ? bits : others) >> (2 * odd);
  const std::uint32_t odd_tiles = (odd == 0 ? others : bits) >> (2 * odd);
  return (even_tiles & 0x33333333U) | (odd_tiles & 0x33333333U) << 2U;
}
/// The bit of element i of tile n.
template <int kN>
__device__ constexpr int bit_of_row(int n, int i) {
  return (i / 2 * (kN / 2) + n / 2) * 4 + n % 2 * 2 + i % 2;
}

/// Bits of 16 keys (rows, from `key` on) by 32 queries (columns, from `query` on): bit 4 n + i is
/// element i of tile n.
__device__ inline std::uint32_t draw_keys_by_queries(const Draws& draws, int key, int query) {
  const int lane = simt::lane();
  const int column = query + lane % 4 * 2;
  std::uint32_t bits = 0;
  if (draws.tokens % 4U != 0) {
#pragma unroll 1
    for (int bit = 0; bit < 16; ++bit) {
      const int row = key + lane / 4 + bit / 2 % 2 * 8;
      bits |= draws.one(column + bit / 4 * 8 + bit % 2, row) << bit;
    }
    return bits;
  }
  // Four lanes of a column hold four keys: lane w of them draws elements w of all tiles for all
  // four and keeps bit w of what each of them drew.
  const int w = lane / 4 % 4;
  const int first = key + lane / 16 * 4 + w / 2 * 8;
#pragma unroll 2
  for (int n = 0; n < 4; ++n) {
    bits |= draws.four_keys(column + n * 8 + w % 2, first) << (4 * n);
  }
  std::uint32_t mine = (bits >> w & 0x1111U) << w;
#pragma unroll
  for (int step = 1; step < 4; ++step) {
    mine |= (simt::shuffle_xor(bits, 4 * step) >> w & 0x1111U) << (w ^ step);
  }
  return mine;
}

}  // namespace epi::kernels::cuda
