// Dropout factors for loops files: the same words as core::philox, eight blocks at a time.
#pragma once

#include <cstdint>

#include "kernels/cpu/dropout_key.hpp"
#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

// Eight blocks to a vector, each counter word in the low half of a 64-bit lane: a product of two
// words then needs no shuffles. (Left to the compiler, these loops stay scalar: 8 times slower,
// measured.) High halves hold what products leave there; nothing reads them. Two vectors at once
// hide the latency of products, where registers suffice.
using Words = std::uint64_t [[gnu::vector_size(64)]];
#if defined(__AVX512F__)
inline constexpr std::int64_t kGroups = 2;
#else
inline constexpr std::int64_t kGroups = 1;
#endif
inline constexpr std::int64_t kGroupBlocks = 8;
inline constexpr std::int64_t kBlockFloats = 4 * kGroupBlocks * kGroups;

/// Products of the low halves, in full.
EPI_INLINE Words multiply_low(Words a, std::uint32_t b) {
#if defined(__AVX512F__) && !defined(__clang__)
  return reinterpret_cast<Words>(__builtin_ia32_pmuludq512_mask(
      reinterpret_cast<IVec>(a), reinterpret_cast<IVec>(Words{} + b),
      reinterpret_cast<long long [[gnu::vector_size(64)]]>(Words{}), 0xff));
#else
  return (a & std::uint64_t{0xffffffffU}) * std::uint64_t{b};
#endif
}

/// Words below this one are dropped: those whose upper 24 bits, as a fraction of 2^24, are below
/// the probability. Both steps are exact.
EPI_INLINE std::uint32_t dropped_below(const DropoutKey& key) {
  const float scaled = key.probability * 0x1p24F;
  const auto whole = static_cast<std::uint32_t>(scaled);
  return (static_cast<float>(whole) < scaled ? whole + 1U : whole) << 8U;
}

/// Factors for sixteen words: 0 (dropped) or key.scale.
EPI_INLINE Vec factors_of(const DropoutKey& key, std::uint32_t limit, Words words) {
  const IVec dropped = reinterpret_cast<UVec>(words) < UVec{} + limit;
  return select(dropped, Vec{}, splat(key.scale));
}

/// Factors of the kBlockFloats elements from 4 * first_block on.
EPI_INLINE void dropout_blocks(const DropoutKey& key, std::uint32_t first_block, float* factors) {
  constexpr std::uint64_t kLow = 0xffffffffU;
  Words c0[kGroups];
  Words c1[kGroups];
  Words c2[kGroups];
  Words c3[kGroups];
  for (std::uint32_t g = 0; g < kGroups; ++g) {
    c0[g] = Words{} + key.counter0;
    c1[g] = Words{} + key.counter1;
    c2[g] = Words{} + key.counter2;
    c3[g] = Words{0, 1, 2, 3, 4, 5, 6, 7} + (first_block + g * std::uint32_t{kGroupBlocks});
  }
  std::uint32_t key0 = key.key0;
  std::uint32_t key1 = key.key1;
  for (int round = 0; round < 10; ++round) {
    for (std::uint32_t g = 0; g < kGroups; ++g) {
      const Words product0 = multiply_low(c0[g], 0xD2511F53U);
      const Words product1 = multiply_low(c2[g], 0xCD9E8D57U);
      c0[g] = (product1 >> 32) ^ c1[g] ^ std::uint64_t{key0};
      c1[g] = product1;
      c2[g] = (product0 >> 32) ^ c3[g] ^ std::uint64_t{key1};
      c3[g] = product0;
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  const std::uint32_t limit = dropped_below(key);
  for (std::uint32_t g = 0; g < kGroups; ++g) {
    // Words 0, 1 and words 2, 3 of each block side by side, then block after block.
    const Words first = (c0[g] & kLow) | (c1[g] << 32);
    const Words second = (c2[g] & kLow) | (c3[g] << 32);
    float* to = factors + g * std::uint32_t{4 * kGroupBlocks};
    store(to,
          factors_of(key, limit, __builtin_shufflevector(first, second, 0, 8, 1, 9, 2, 10, 3, 11)));
    store(
        to + kLanes,
        factors_of(key, limit, __builtin_shufflevector(first, second, 4, 12, 5, 13, 6, 14, 7, 15)));
  }
}

/// Factors of elements first .. first + count - 1 of the sample: 0 (dropped) or key.scale.
EPI_INLINE void dropout_factors(const DropoutKey& key, std::int64_t first, std::int64_t count,
                                float* factors) {
  float block[kBlockFloats];
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t element = first + done;
    const std::int64_t skip = element % 4;
    const std::int64_t left = count - done;
    const std::int64_t take = left < kBlockFloats - skip ? left : kBlockFloats - skip;
    float* to = take == kBlockFloats ? factors + done : block;
    dropout_blocks(key, static_cast<std::uint32_t>(element / 4), to);
    for (std::int64_t i = 0; i < take && to == block; ++i) factors[done + i] = block[skip + i];
    done += take;
  }
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
