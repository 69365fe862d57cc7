// Dropout factors for loops files: the same words as core::philox, eight blocks at a time.
#pragma once

#include <cstdint>

#include "kernels/cpu/dropout_key.hpp"
#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

// Eight blocks at once, each counter word in the low half of a 64-bit lane: a product of two words
// then needs no shuffles. (Left to the compiler, these loops stay scalar: 8 times slower,
// measured.)
using Words = std::uint64_t [[gnu::vector_size(64)]];
inline constexpr std::int64_t kBlocks = 8;
inline constexpr std::int64_t kBlockFloats = 4 * kBlocks;

/// Factors for sixteen words: 0 (dropped) or key.scale.
EPI_INLINE Vec factors_of(const DropoutKey& key, Words words) {
  const auto bits = reinterpret_cast<UVec>(words) >> 8;
  const Vec uniform = to_float(reinterpret_cast<IVec>(bits)) * 0x1p-24F;
  return select(uniform < splat(key.probability), Vec{}, splat(key.scale));
}

/// Factors of the 32 elements from 4 * first_block on.
EPI_INLINE void dropout_blocks(const DropoutKey& key, std::uint32_t first_block, float* factors) {
  constexpr std::uint64_t kLow = 0xffffffffU;
  Words c0 = Words{} + key.counter0;
  Words c1 = Words{} + key.counter1;
  Words c2 = Words{} + key.counter2;
  Words c3 = (Words{0, 1, 2, 3, 4, 5, 6, 7} + first_block) & kLow;
  std::uint32_t key0 = key.key0;
  std::uint32_t key1 = key.key1;
  for (int round = 0; round < 10; ++round) {
    const Words product0 = c0 * std::uint64_t{0xD2511F53U};
    const Words product1 = c2 * std::uint64_t{0xCD9E8D57U};
    c0 = (product1 >> 32) ^ c1 ^ std::uint64_t{key0};
    c1 = product1 & kLow;
    c2 = (product0 >> 32) ^ c3 ^ std::uint64_t{key1};
    c3 = product0 & kLow;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  // Words 0, 1 and words 2, 3 of each block side by side, then block after block.
  const Words first = c0 | (c1 << 32);
  const Words second = c2 | (c3 << 32);
  store(factors, factors_of(key, __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11)));
  store(factors + kLanes,
        factors_of(key, __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15)));
}

/// Factors of elements first .. first + count - 1 of the sample: 0 (dropped) or key.scale.
EPI_INLINE void dropout_factors(const DropoutKey& key, std::int64_t first, std::int64_t count,
                                float* factors) {
  float block[kBlockFloats];
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t element = first + done;
    dropout_blocks(key, static_cast<std::uint32_t>(element / 4), block);
    const std::int64_t skip = element % 4;
    const std::int64_t left = count - done;
    const std::int64_t take = left < kBlockFloats - skip ? left : kBlockFloats - skip;
    for (std::int64_t i = 0; i < take; ++i) factors[done + i] = block[skip + i];
    done += take;
  }
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
