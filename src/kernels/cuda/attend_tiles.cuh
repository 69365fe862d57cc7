// Tiles of bf16 rows in shared memory, and the two products of a warp that attention is made of.
//
// A row of kWidth elements lies in chunks of 16 bytes; chunk c of row r is kept at place
// c ^ key(r), so that the 8 rows which load_matrices reads at once lie in different banks whatever
// the width. The key depends on r mod 8 only: the place of a lane is computed once, and products go
// on from there by XOR of the chunk (multiples of 32 bytes) and by addition of rows (of 16).
#pragma once

#include "simt/simt.cuh"

namespace epi::kernels::cuda {

template <int kWidth>
struct Tile {
  static_assert(kWidth == 32 || kWidth == 64 || kWidth == 128);
  static constexpr int kRowBytes = 2 * kWidth;
  static constexpr int kChunks = kWidth / 8;

  static constexpr int bytes(int rows) { return rows * kRowBytes; }
  /// Offset of a chunk, which chunks are counted over rows.
  __device__ static int at(int index) {
    const auto i = static_cast<unsigned>(index);
    const unsigned row = i / kChunks;
    return static_cast<int>((i ^ (kWidth == 32 ? row / 2 % 4 : row % 8)) * 16);
  }
  /// This lane's place for load_matrices of 16 rows by 16 columns of the tile at `tile`, matrices
  /// in the order (row 0, column 0), (8, 0), (0, 8), (8, 8): left operands as they lie, right ones
  /// transposed. Chunks are counted from the arena's start: loops over tiles keep nothing else.
  __device__ static int rows_first(int tile) {
    const int lane = simt::lane();
    return at(tile / 16 + (lane & 15) * kChunks + (lane >> 4));
  }
  /// In the order (0, 0), (0, 8), (8, 0), (8, 8): right operands as they lie, left ones transposed.
  /// (With one order for all, registers have to be moved before each product.)
  __device__ static int columns_first(int tile) {
    const int lane = simt::lane();
    return at(tile / 16 + ((lane & 7) + (lane >> 4) * 8) * kChunks + (lane >> 3 & 1));
  }
};

/// Address of 16 rows from `row` on and 16 columns from 16 `column` on, for a lane whose own place
/// in the tile is `lane_at`, both in bytes of shared memory. Tiles begin at multiples of 256.
template <int kWidth>
__device__ inline const std::byte* place(int lane_at, int row, int column) {
  return simt::shared() + (lane_at ^ (column << 5)) + row * Tile<kWidth>::kRowBytes;
}

/// Copies rows, `stride` elements apart, to tiles of kRows, by all kThreads threads of the block. A
/// thread keeps where its own first chunk of the next rows lies: registers are short in the loops.
template <int kWidth, int kRows, int kThreads>
class RowCopy {
 public:
  __device__ RowCopy(const simt::BFloat16* first_of_rows, int stride)
      : at_(first_of_rows + std::int64_t{first_row()} * stride + chunk() * 8) {}

  /// Begins the copy of the next kRows rows, of each `size` elements from `offset` on. Rows beyond
  /// `rows` and elements beyond `size` become zeros.
  __device__ void begin(int to, int rows, int size, int stride, int offset = 0) const {
    std::byte* const place = simt::shared() + Rows::at(simt::thread() + to / 16);
    const simt::BFloat16* at = at_ + offset;
    const int left = chunk() * 8 < size ? rows - first_row() : 0;
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      simt::copy_async(place + i * kStep * Rows::kRowBytes, at, i * kStep < left);
      at += kStep * stride;
    }
  }
  /// On to the rows after these.
  __device__ void advance(int stride) {
    at_ += std::int64_t{kRows} * stride;
  }

 private:
  using Rows = Tile<kWidth>;
  static constexpr int kStep = kThreads / Rows::kChunks;  // rows that the block copies at once
  static_assert(kThreads % Rows::kChunks == 0 && kStep % 8 == 0 && kRows % kStep == 0);

  __device__ static int chunk() {
    return simt::thread() & (Rows::kChunks - 1);
  }
  __device__ static int first_row() {
    return static_cast<int>(static_cast<unsigned>(simt::thread()) / Rows::kChunks);
  }

  const simt::BFloat16* at_;
};

/// Sums of a warp: kM by kN tiles of 16 x 8. Lane l holds rows l / 4 and l / 4 + 8, columns
/// 2 (l % 4) and the next.
template <int kM, int kN>
struct Sums {
  float at[kM][kN][4];

  __device__ void clear() {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int n = 0; n < kN; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) at[m][n][i] = 0.0F;
      }
    }
  }
};

/// Such sums rounded, as left operands: kM by kK tiles of 16 x 16.
template <int kM, int kK>
struct Left {
  std::uint32_t at[kM][kK][4];
};

template <int kM, int kN>
__device__ inline void round_sums(const Sums<kM, kN>& from, Left<kM, kN / 2>& to) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN; ++n) {
      to.at[m][n / 2][n % 2 * 2] = simt::pack_bf16(from.at[m][n][0], from.at[m][n][1]);
      to.at[m][n / 2][n % 2 * 2 + 1] = simt::pack_bf16(from.at[m][n][2], from.at[m][n][3]);
    }
  }
}

/// sums = a b^T: 16 kM rows of `a` and 8 kN rows of `b`, over kWidth columns. Operands are given by
/// this lane's place in them, rows first in `a` and columns first in `b`.
template <int kWidth, int kM, int kN>
__device__ inline void multiply_rows(Sums<kM, kN>& sums, int a, int b) {
  sums.clear();
#pragma unroll
  for (int k = 0; k < kWidth / 16; ++k) {
    std::uint32_t left[kM][4];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      simt::load_matrices(left[m], place<kWidth>(a, 16 * m, k));
    }
#pragma unroll
    for (int n = 0; n < kN / 2; ++n) {
      std::uint32_t right[4];
      simt::load_matrices(right, place<kWidth>(b, 16 * n, k));
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        simt::multiply_add(sums.at[m][2 * n], left[m], right[0], right[1]);
        simt::multiply_add(sums.at[m][2 * n + 1], left[m], right[2], right[3]);
      }
    }
  }
}

/// sums += a b: `b` has 16 kK rows of kWidth columns; this lane's place, rows first.
template <int kWidth, int kM, int kK>
__device__ inline void multiply_mix(Sums<kM, kWidth / 8>& sums, const Left<kM, kK>& a, int b) {
#pragma unroll
  for (int k = 0; k < kK; ++k) {
#pragma unroll
    for (int n = 0; n < kWidth / 16; ++n) {
      std::uint32_t right[4];
      simt::load_matrices_transposed(right, place<kWidth>(b, 16 * k, n));
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        simt::multiply_add(sums.at[m][2 * n], a.at[m][k], right[0], right[1]);
        simt::multiply_add(sums.at[m][2 * n + 1], a.at[m][k], right[2], right[3]);
      }
    }
  }
}

/// Stores 16 kM rows of sums, each times `factors[m][half]`, to rows `stride` apart. Rows from
/// `rows` on and columns from `size` on don't exist.
template <int kM, int kN>
__device__ inline void store_sums(const Sums<kM, kN>& sums, const float (&factors)[kM][2],
                                  simt::BFloat16* to, int stride, int rows, int size) {
  const int row = simt::lane() / 4;
  const int column = simt::lane() % 4 * 2;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (16 * m + 8 * half + row >= rows) continue;
      simt::BFloat16* at = to + (16 * m + 8 * half + row) * stride + column;
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        if (8 * n >= size) break;
        *reinterpret_cast<std::uint32_t*>(at + 8 * n) =
            simt::pack_bf16(sums.at[m][n][2 * half] * factors[m][half],
                            sums.at[m][n][2 * half + 1] * factors[m][half]);
      }
    }
  }
}

}  // namespace epi::kernels::cuda
