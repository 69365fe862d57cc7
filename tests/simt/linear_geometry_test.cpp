// How the kernels beside products are laid out over a device.
#include "kernels/cuda/linear_geometry.hpp"

#include <gtest/gtest.h>

namespace epi::kernels::cuda {
namespace {

TEST(LinearGeometry, Chunks_fitTheirBytesAndCoverAllRows) {
  for (const std::int64_t rows : {1, 127, 128, 129, 4096, 32768}) {
    for (const std::int64_t columns : {1, 7, 8, 9, 768, 3072, 4101, 1 << 20}) {
      const std::int64_t step = chunk_rows(rows, columns);
      EXPECT_GE(step, 1);
      EXPECT_LE(step, rows);
      EXPECT_EQ(chunk_width(columns) % 8, 0);
      EXPECT_LT(chunk_width(columns) - columns, 8);
      const bool is_least = step <= kChunkRowStep;
      EXPECT_TRUE(is_least || step * chunk_width(columns) * 4 <= kChunkBytes);
      EXPECT_TRUE(step == rows || step % kChunkRowStep == 0);
    }
  }
  EXPECT_EQ(chunk_rows(32768, 3072), 2688);  // 32 MiB / 12 KiB = 2,730 rows, 21 times 128
}

TEST(LinearGeometry, Blocks_coverRowsAndColumns) {
  for (const std::int64_t rows : {1, 255, 256, 257, 32768}) {
    for (const std::int64_t columns : {1, 31, 32, 33, 255, 256, 257, 4101}) {
      const Launch pieces = piece_launch(rows, columns);
      EXPECT_EQ(pieces.grid_x, num_pieces(rows));
      EXPECT_GE(pieces.grid_x * kPieceRows, rows);
      EXPECT_LT((pieces.grid_x - 1) * kPieceRows, rows);
      EXPECT_GE(pieces.grid_y * kPieceColumns, columns);
      EXPECT_GE(final_launch(columns).grid_x * kFinalColumns, columns);
      const Launch finish = finish_launch(rows, columns);
      EXPECT_GE(std::int64_t{finish.grid_x} * finish.threads * 8, rows * columns);
    }
  }
}

TEST(LinearGeometry, SharedMemory_needsNoOptIn) {
  EXPECT_LE(piece_launch(1, 1).shared_bytes, std::size_t{48} * 1024);
  EXPECT_LE(final_launch(1).shared_bytes, std::size_t{48} * 1024);
}

}  // namespace
}  // namespace epi::kernels::cuda
