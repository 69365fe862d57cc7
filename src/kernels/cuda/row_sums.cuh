// Sums of the entries of each row, from sorted lists: a list is cut into pieces of fixed length. A
// block adds up the runs of equal rows in its piece, in order, and writes those that lie within it.
// Runs that cross pieces leave their parts in f32; then one block per such run adds these up in
// order. So a row that takes most of the entries is many blocks' work, each sum is rounded once,
// and its order depends on the data alone.
#pragma once

#include "kernels/cuda/table_geometry.hpp"
#include "kernels/cuda/table_sort.hpp"
#include "kernels/cuda/vec.cuh"

namespace epi::kernels::cuda {

/// One list and what its sums go to.
template <class T>
struct RowSumsList {
  SortedEntries sorted;
  T* out;     ///< [rows, hidden]
  bool adds;  ///< += instead of =
  float*
      partials;  ///< [pieces, 2, hidden]: of the run from the piece before, of that which goes on
};

template <class T>
struct RowSums {
  RowSumsList<T> lists[kMaxEmbedTables];
  int num_lists;
  const T* in;           ///< [entries, hidden]
  const float* weights;  ///< [entries] or null: 1
  std::int64_t entries, hidden;
};

/// Where a piece's first and last run lie.
struct Piece {
  std::int64_t begin, end;
  bool from_before;  ///< its first run began in an earlier piece
  bool goes_on;      ///< its last run ends in a later one

  __device__ Piece(const std::int32_t* rows, std::int64_t number, std::int64_t entries)
      : begin(number * kEntriesOfPiece),
        end(begin + kEntriesOfPiece < entries ? begin + kEntriesOfPiece : entries),
        from_before(begin > 0 && rows[begin - 1] == rows[begin]),
        goes_on(end < entries && rows[end - 1] == rows[end]) {}
};

/// Eight columns of out (=|+=) total.
template <bool kWhole, class T>
__device__ inline void finish_row(const RowSumsList<T>& list, std::int32_t row, int column,
                                  std::int64_t hidden, float (&total)[kEight]) {
  T* to = list.out + row * hidden;
  if (list.adds) {
    float before[kEight];
    load_floats<kWhole>(to, column, static_cast<int>(hidden), before);
#pragma unroll
    for (int j = 0; j < kEight; ++j) total[j] += before[j];
  }
  store_floats<kWhole>(to, column, static_cast<int>(hidden), total);
}

/// Entries whose loads are under way together.
inline constexpr int kEntriesAtOnce = 4;

/// Grid: pieces, slabs of columns, lists; a thread has eight columns.
template <bool kWhole, class T>
__global__ void sum_runs_kernel(RowSums<T> job) {
  const RowSumsList<T>& list = job.lists[simt::block_z()];
  const Piece piece(list.sorted.row, simt::block_x(), job.entries);
  const int count = static_cast<int>(piece.end - piece.begin);
  auto* rows = reinterpret_cast<std::int32_t*>(simt::shared());
  std::int32_t* entries = rows + kEntriesOfPiece;
  auto* weights = reinterpret_cast<float*>(entries + kEntriesOfPiece);
  for (int i = simt::thread(); i < count; i += simt::num_threads()) {
    rows[i] = list.sorted.row[piece.begin + i];
    entries[i] = list.sorted.entry[piece.begin + i];
    weights[i] = job.weights == nullptr ? 1.0F : job.weights[entries[i]];
  }
  simt::sync_block();
  const auto hidden = static_cast<int>(job.hidden);
  const int column = simt::block_y() * static_cast<int>(kColumnsOfSlab) + simt::thread() * kEight;
  if (column >= hidden) return;
  float* partials = list.partials + simt::block_x() * 2 * job.hidden;
  float total[kEight] = {};
  bool from_before = piece.from_before;
  for (int first = 0; first < count; first += kEntriesAtOnce) {
    Eight<T> loaded[kEntriesAtOnce];
#pragma unroll
    for (int k = 0; k < kEntriesAtOnce; ++k) {
      if (first + k >= count) continue;
      loaded[k] = load_eight<kWhole>(job.in + entries[first + k] * job.hidden, column, hidden);
    }
#pragma unroll
    for (int k = 0; k < kEntriesAtOnce; ++k) {
      const int i = first + k;
      if (i >= count) continue;
      float values[kEight];
      widen_eight(loaded[k], values);
#pragma unroll
      for (int j = 0; j < kEight; ++j) total[j] += weights[i] * values[j];
      const bool is_last = i + 1 == count;
      if (!is_last && rows[i + 1] == rows[i]) continue;
      if (from_before) {
        store_floats<kWhole>(partials, column, hidden, total);
      } else if (is_last && piece.goes_on) {
        store_floats<kWhole>(partials + job.hidden, column, hidden, total);
      } else {
        finish_row<kWhole>(list, rows[i], column, job.hidden, total);
      }
      from_before = false;
#pragma unroll
      for (int j = 0; j < kEight; ++j) total[j] = 0.0F;
    }
  }
}

/// Pieces after `number` that the run of `row` goes on through; all lanes call it.
__device__ inline std::int64_t pieces_of_run(const std::int32_t* rows, std::int32_t row,
                                             std::int64_t number, std::int64_t entries) {
  for (std::int64_t found = 0;; found += simt::kWarp) {
    const std::int64_t begin = (number + 1 + found + simt::lane()) * kEntriesOfPiece;
    const std::uint32_t hits = simt::ballot(begin < entries && rows[begin] == row);
    if (hits != simt::kAllLanes) return found + simt::count_bits(hits);
  }
}

/// Warps of a block that joins the parts of a run, and its columns.
inline constexpr int kJoiners = 8;
inline constexpr int kJoinColumns = kEight * simt::kWarp;

/// Grid: pieces, slabs of kJoinColumns, lists. Works where a run that goes on begins; each warp
/// adds up every kJoiners-th part, then the first adds up theirs.
template <bool kWhole, class T>
__global__ void join_runs_kernel(RowSums<T> job) {
  const RowSumsList<T>& list = job.lists[simt::block_z()];
  const std::int64_t number = simt::block_x();
  const Piece piece(list.sorted.row, number, job.entries);
  const std::int32_t row = list.sorted.row[piece.end - 1];
  const bool begins_before = piece.from_before && list.sorted.row[piece.begin] == row;
  if (!piece.goes_on || begins_before) return;
  const std::int64_t parts = pieces_of_run(list.sorted.row, row, number, job.entries);
  const auto hidden = static_cast<int>(job.hidden);
  const int column = simt::block_y() * kJoinColumns + simt::lane() * kEight;
  const bool active = column < hidden;
  float total[kEight] = {};
#pragma unroll 4
  for (std::int64_t part = 1 + simt::warp(); active && part <= parts; part += kJoiners) {
    float values[kEight];
    load_floats<kWhole>(list.partials + (number + part) * 2 * job.hidden, column, hidden, values);
#pragma unroll
    for (int j = 0; j < kEight; ++j) total[j] += values[j];
  }
  auto* room = reinterpret_cast<float*>(simt::shared());
  store_floats<true>(room + simt::warp() * kJoinColumns, simt::lane() * kEight, kJoinColumns,
                     total);
  simt::sync_block();
  if (simt::warp() != 0 || !active) return;
  load_floats<kWhole>(list.partials + number * 2 * job.hidden + job.hidden, column, hidden, total);
  for (int w = 0; w < kJoiners; ++w) {
    float values[kEight];
    load_floats<true>(room + w * kJoinColumns, simt::lane() * kEight, kJoinColumns, values);
#pragma unroll
    for (int j = 0; j < kEight; ++j) total[j] += values[j];
  }
  finish_row<kWhole>(list, row, column, job.hidden, total);
}

/// Pieces of a list.
[[nodiscard]] inline std::int64_t sum_pieces_of(std::int64_t entries) {
  return (entries + kEntriesOfPiece - 1) / kEntriesOfPiece;
}

/// Queues both kernels for all lists; rows without entries are left alone.
template <bool kWhole, class T>
void sum_rows(const RowSums<T>& job, void* stream) {
  if (job.num_lists == 0) return;
  const auto pieces = static_cast<std::uint32_t>(sum_pieces_of(job.entries));
  const auto lists = static_cast<std::uint32_t>(job.num_lists);
  const Launch runs{.grid_x = pieces,
                    .grid_y = blocks_for(job.hidden, kColumnsOfSlab),
                    .grid_z = lists,
                    .threads = slab_threads(job.hidden),
                    .shared_bytes = 3 * kEntriesOfPiece * sizeof(float)};
  simt::launch(sum_runs_kernel<kWhole, T>, runs, stream, job);
  if (pieces == 1) return;
  const Launch joins{.grid_x = pieces,
                     .grid_y = blocks_for(job.hidden, kJoinColumns),
                     .grid_z = lists,
                     .threads = kJoiners * simt::kWarp,
                     .shared_bytes = kJoiners * kJoinColumns * sizeof(float)};
  simt::launch(join_runs_kernel<kWhole, T>, joins, stream, job);
}

}  // namespace epi::kernels::cuda
