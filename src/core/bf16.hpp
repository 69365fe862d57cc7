// bfloat16: the upper half of an IEEE binary32, rounded to nearest even.
#pragma once

#include <bit>
#include <cstdint>

namespace epi::core {

struct BFloat16 {
  std::uint16_t bits = 0;
};

/// Rounds to nearest, ties to even; NaN stays NaN (quiet).
[[nodiscard]] constexpr BFloat16 to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) {
    return {static_cast<std::uint16_t>((bits >> 16U) | 0x40U)};
  }
  return {static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U)};
}

/// Exact: every bfloat16 is a binary32, infinities and NaN included.
[[nodiscard]] constexpr float to_float(BFloat16 value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16U);
}

}  // namespace epi::core
