// Eight neighbouring elements of a row at a time: what a thread reads and writes with 16-byte
// accesses, one for bf16 and two for f32. Rows whose length is no multiple of eight, or which don't
// begin at a multiple of 16 bytes, take the same path element by element (kWhole = false).
#pragma once

#include <bit>

#include "kernels/cuda/launch.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

/// Elements of one access.
inline constexpr int kEight = 8;

/// Eight elements as memory holds them: half the registers of floats where T is bf16.
template <class T>
struct Eight {
  static constexpr int kWords = kEight * static_cast<int>(sizeof(T)) / 4;
  std::uint32_t w[kWords] = {};
};

/// The bits of one element in the low half of a word, or in all of it.
__device__ inline std::uint32_t element_bits(core::BFloat16 value) {
  return value.bits;
}
__device__ inline std::uint32_t element_bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

/// Elements column..column + 7 of `row`; zeros from column `columns` on.
template <bool kWhole, class T>
__device__ inline Eight<T> load_eight(const T* row, int column, int columns) {
  Eight<T> eight;
  if constexpr (kWhole) {
#pragma unroll
    for (int i = 0; i < Eight<T>::kWords; i += 4) {
      const simt::Words words =
          simt::load_words(reinterpret_cast<const std::uint32_t*>(row + column) + i);
      for (int j = 0; j < 4; ++j) eight.w[i + j] = words.w[j];
    }
  } else {
    constexpr int kOfWord = kEight / Eight<T>::kWords;
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      if (column + i < columns) {
        eight.w[i / kOfWord] |= element_bits(row[column + i]) << (i % kOfWord * 16);
      }
    }
  }
  return eight;
}

/// Their values.
__device__ inline void widen_eight(const Eight<core::BFloat16>& eight, float (&values)[kEight]) {
#pragma unroll
  for (int i = 0; i < kEight; i += 2) {
    values[i] = simt::low_half(eight.w[i / 2]);
    values[i + 1] = simt::high_half(eight.w[i / 2]);
  }
}
__device__ inline void widen_eight(const Eight<float>& eight, float (&values)[kEight]) {
#pragma unroll
  for (int i = 0; i < kEight; ++i) values[i] = std::bit_cast<float>(eight.w[i]);
}

/// The other way, rounded to nearest even.
template <class T>
__device__ inline Eight<T> narrow_eight(const float (&values)[kEight]) {
  Eight<T> eight;
#pragma unroll
  for (int i = 0; i < Eight<T>::kWords; ++i) {
    if constexpr (sizeof(T) == sizeof(float)) {
      eight.w[i] = std::bit_cast<std::uint32_t>(values[i]);
    } else {
      eight.w[i] = simt::pack_bf16(values[2 * i], values[2 * i + 1]);
    }
  }
  return eight;
}

/// Columns from `columns` on are left alone.
template <bool kWhole, class T>
__device__ inline void store_eight(T* row, int column, int columns, const Eight<T>& eight) {
  if constexpr (kWhole) {
#pragma unroll
    for (int i = 0; i < Eight<T>::kWords; i += 4) {
      simt::store_words(reinterpret_cast<std::uint32_t*>(row + column) + i,
                        {{eight.w[i], eight.w[i + 1], eight.w[i + 2], eight.w[i + 3]}});
    }
  } else {
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      if (column + i >= columns) continue;
      if constexpr (sizeof(T) == sizeof(float)) {
        row[column + i] = std::bit_cast<float>(eight.w[i]);
      } else {
        row[column + i] = {static_cast<std::uint16_t>(eight.w[i / 2] >> (i % 2 * 16))};
      }
    }
  }
}

/// load_eight as floats.
template <bool kWhole, class T>
__device__ inline void load_floats(const T* row, int column, int columns, float (&values)[kEight]) {
  widen_eight(load_eight<kWhole>(row, column, columns), values);
}
/// store_eight of floats, rounded.
template <bool kWhole, class T>
__device__ inline void store_floats(T* row, int column, int columns,
                                    const float (&values)[kEight]) {
  store_eight<kWhole>(row, column, columns, narrow_eight<T>(values));
}

/// Whether all addresses are multiples of 16.
template <class... Pointers>
[[nodiscard]] bool are_aligned(Pointers... pointers) {
  const auto aligned = [](const void* at) {
    return reinterpret_cast<std::uintptr_t>(at) % sizeof(simt::Words) == 0;
  };
  return (aligned(pointers) && ...);
}

/// Whether rows of `columns` elements at these addresses can be read by 16 bytes: kWhole.
template <class... Pointers>
[[nodiscard]] bool rows_are_whole(std::int64_t columns, Pointers... pointers) {
  return columns % kEight == 0 && are_aligned(pointers...);
}

}  // namespace epi::kernels::cuda
