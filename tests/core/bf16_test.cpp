#include "core/bf16.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

namespace epi::core {
namespace {

float from_bits(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}

TEST(Bf16_exactValues, survive) {
  for (const float value : {0.0F, -0.0F, 1.0F, -2.5F, 0x1p-126F, 0x1.FEp127F}) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(to_float(to_bf16(value))),
              std::bit_cast<std::uint32_t>(value));
  }
}

TEST(Bf16_allPatterns, surviveTheWayThroughFloat) {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    const float value = to_float(BFloat16{static_cast<std::uint16_t>(bits)});
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(to_float(to_bf16(value))));
    } else {
      EXPECT_EQ(to_bf16(value).bits, bits);
    }
  }
}

TEST(Bf16_rounding, isToNearestAndTiesToEven) {
  EXPECT_EQ(to_bf16(from_bits(0x3f807fffU)).bits, 0x3f80U);  // just below the tie
  EXPECT_EQ(to_bf16(from_bits(0x3f808000U)).bits, 0x3f80U);  // tie, even below
  EXPECT_EQ(to_bf16(from_bits(0x3f808001U)).bits, 0x3f81U);  // just above the tie
  EXPECT_EQ(to_bf16(from_bits(0x3f818000U)).bits, 0x3f82U);  // tie, even above
  EXPECT_EQ(to_bf16(from_bits(0xbf818000U)).bits, 0xbf82U);  // the same below zero
}

TEST(Bf16_overflow, becomesInfinity) {
  EXPECT_EQ(to_bf16(std::numeric_limits<float>::max()).bits, 0x7f80U);
  EXPECT_EQ(to_bf16(-std::numeric_limits<float>::infinity()).bits, 0xff80U);
}

TEST(Bf16_nanWithLowBitsOnly, staysNan) {
  EXPECT_TRUE(std::isnan(to_float(to_bf16(from_bits(0x7f800001U)))));
  EXPECT_TRUE(std::isnan(to_float(to_bf16(from_bits(0xffffffffU)))));
}

}  // namespace
}  // namespace epi::core
