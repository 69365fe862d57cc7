// Dropout factors for loops files: the same words as core::philox, sixteen blocks at a time.
#pragma once

#include <cstdint>

#include "kernels/cpu/dropout_key.hpp"
#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {

/// Factors of the 64 elements from 4 * first_block on: 0 (dropped) or key.scale. The inner loops
/// have a constant length, so that the compiler turns them into vectors.
EPI_INLINE void dropout_blocks(const DropoutKey& key, std::uint32_t first_block, float* factors) {
  std::uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    c0[i] = key.counter0;
    c1[i] = key.counter1;
    c2[i] = key.counter2;
    c3[i] = first_block + i;
  }
  std::uint32_t key0 = key.key0;
  std::uint32_t key1 = key.key1;
  for (int round = 0; round < 10; ++round) {
    for (std::uint32_t i = 0; i < kLanes; ++i) {
      const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * c0[i];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * c2[i];
      c0[i] = static_cast<std::uint32_t>(product1 >> 32U) ^ c1[i] ^ key0;
      c1[i] = static_cast<std::uint32_t>(product1);
      c2[i] = static_cast<std::uint32_t>(product0 >> 32U) ^ c3[i] ^ key1;
      c3[i] = static_cast<std::uint32_t>(product0);
    }
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
  const auto factor = [&key](std::uint32_t word) {
    const float uniform = static_cast<float>(static_cast<std::int32_t>(word >> 8U)) * 0x1p-24F;
    return uniform < key.probability ? 0.0F : key.scale;
  };
  for (std::uint32_t i = 0; i < kLanes; ++i) {
    factors[4 * i] = factor(c0[i]);
    factors[4 * i + 1] = factor(c1[i]);
    factors[4 * i + 2] = factor(c2[i]);
    factors[4 * i + 3] = factor(c3[i]);
  }
}

/// Factors of elements first .. first + count - 1 of the sample: 0 (dropped) or key.scale.
EPI_INLINE void dropout_factors(const DropoutKey& key, std::int64_t first, std::int64_t count,
                                float* factors) {
  float block[64];
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t element = first + done;
    dropout_blocks(key, static_cast<std::uint32_t>(element / 4), block);
    const std::int64_t skip = element % 4;
    const std::int64_t left = count - done;
    const std::int64_t take = left < 64 - skip ? left : 64 - skip;
    for (std::int64_t i = 0; i < take; ++i) factors[done + i] = block[skip + i];
    done += take;
  }
}

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
