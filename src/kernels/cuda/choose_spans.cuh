// Which spans a window hides, found by all threads of its block: of the candidates those with the
// smallest keys, as the CPU's nth_element finds them. A key is a random word above the number of
// the lattice block, so no two are equal. A radix select finds the largest key that is chosen, a
// count of those before gives each chosen block its place.
#pragma once

#include "kernels/cuda/assemble.hpp"
#include "kernels/ops.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

inline constexpr int kDigitBits = 8;
inline constexpr int kDigits = 1 << kDigitBits;
inline constexpr int kKeyBits = 64;

/// The arena of a block. `words` becomes the list of chosen blocks once these are known.
struct Arena {
  std::uint32_t* words;      // [most_blocks] random word of a lattice block
  std::int32_t* histogram;   // [kDigits]
  std::int32_t* warp_sums;   // [kWarp]
  std::int32_t* picked;      // [2] digit, candidates below it
  std::int32_t* sums;        // [kNumCounts]
  std::uint8_t* candidates;  // [most_blocks] whether it may become a span
  std::uint8_t* hidden;      // [most_bins]
};

__device__ inline Arena arena_of(const AssembleShape& shape) {
  Arena arena;
  arena.words = reinterpret_cast<std::uint32_t*>(simt::shared());
  arena.histogram = reinterpret_cast<std::int32_t*>(arena.words + shape.most_blocks);
  arena.warp_sums = arena.histogram + kDigits;
  arena.picked = arena.warp_sums + simt::kWarp;
  arena.sums = arena.picked + 2;
  arena.candidates = reinterpret_cast<std::uint8_t*>(arena.sums + kNumCounts);
  arena.hidden = arena.candidates + shape.most_blocks;
  return arena;
}

/// How many threads before this one say true; `all` gets how many do. All threads call it.
__device__ inline std::int32_t place_among(bool flag, std::int32_t* warp_sums, std::int32_t& all) {
  const std::uint32_t votes = simt::ballot(flag);
  if (simt::lane() == 0) warp_sums[simt::warp()] = simt::count_bits(votes);
  simt::sync_block();
  std::int32_t before = 0;
  all = 0;
  for (int w = 0; w < simt::num_warps(); ++w) {
    before += w < simt::warp() ? warp_sums[w] : 0;
    all += warp_sums[w];
  }
  simt::sync_block();
  return before + simt::count_bits(votes & ((1U << static_cast<unsigned>(simt::lane())) - 1U));
}

__device__ inline std::uint64_t key_of(const Arena& arena, std::int32_t block) {
  return std::uint64_t{arena.words[block]} << 32U | static_cast<std::uint32_t>(block);
}

/// Which digit the `wanted`th smallest candidate (from 1) has, by the histogram of digits; leaves
/// it and the number of candidates with smaller ones in arena.picked. One warp calls it.
__device__ inline void pick_digit(const Arena& arena, std::int32_t wanted) {
  constexpr int kBins = kDigits / simt::kWarp;
  const std::int32_t* mine = arena.histogram + simt::lane() * kBins;
  std::int32_t sum = 0;
  for (int i = 0; i < kBins; ++i) sum += mine[i];
  std::int32_t through = sum;  // of this lane's bins and all before
  for (int by = 1; by < simt::kWarp; by *= 2) {
    const std::int32_t other = simt::shuffle_up(through, by);
    through += simt::lane() >= by ? other : 0;
  }
  std::int32_t before = through - sum;
  if (wanted <= before || wanted > through) return;
  int bin = 0;
  while (before + mine[bin] < wanted) before += mine[bin++];
  arena.picked[0] = simt::lane() * kBins + bin;
  arena.picked[1] = before;
}

/// The largest of the `wanted` smallest keys of candidates, of which there are more than `wanted`:
/// digit by digit from the highest, as in a radix sort that keeps only the bin it is after.
__device__ inline std::uint64_t last_chosen_key(const Arena& arena, std::int32_t blocks,
                                                std::int32_t wanted) {
  std::uint64_t prefix = 0;
  for (int shift = kKeyBits - kDigitBits;; shift -= kDigitBits) {
    for (int i = simt::thread(); i < kDigits; i += simt::num_threads()) arena.histogram[i] = 0;
    simt::sync_block();
    for (std::int32_t block = simt::thread(); block < blocks; block += simt::num_threads()) {
      // Both keys without this digit and all below; of the highest digit nothing is left.
      const std::uint64_t rest = key_of(arena, block) ^ prefix;
      const bool same = shift + kDigitBits == kKeyBits || (rest >> (shift + kDigitBits)) == 0;
      if (arena.candidates[block] == 0 || !same) continue;
      simt::atomic_add(&arena.histogram[(rest >> shift) % kDigits], 1);
    }
    simt::sync_block();
    if (simt::warp() == 0) pick_digit(arena, wanted);
    simt::sync_block();
    const std::int32_t digit = arena.picked[0];
    const std::int32_t count = arena.histogram[digit];
    wanted -= arena.picked[1];
    prefix |= static_cast<std::uint64_t>(digit) << shift;
    simt::sync_block();
    // All that begin so are chosen: what follows the prefix doesn't matter.
    if (count == wanted) return prefix | ((std::uint64_t{1} << shift) - 1);
  }
}

/// Replaces arena.words by the chosen blocks, ascending. Entries go to places that were read
/// before.
__device__ inline void list_chosen(const Arena& arena, std::int32_t blocks, std::uint64_t last) {
  std::int32_t listed = 0;
  for (std::int32_t from = 0; from < blocks; from += simt::num_threads()) {
    const std::int32_t block = from + simt::thread();
    const bool chosen =
        block < blocks && arena.candidates[block] != 0 && key_of(arena, block) <= last;
    std::int32_t all = 0;
    const std::int32_t place = listed + place_among(chosen, arena.warp_sums, all);
    if (chosen) arena.words[place] = static_cast<std::uint32_t>(block);
    listed += all;
  }
  simt::sync_block();
}

}  // namespace epi::kernels::cuda
