// Rows of embedding tables, summed: what embed and its gradient share.
#pragma once

#include "kernels/cuda/row_dispatch.hpp"
#include "kernels/cuda/row_loops.cuh"

namespace epi::kernels::cuda {

/// The tables of a call, for kernels.
struct EmbedTables {
  const float* rows[kMaxEmbedTables] = {};
  const std::int32_t* index[kMaxEmbedTables] = {};  ///< or null: n % tokens
  std::int64_t num_rows[kMaxEmbedTables] = {};
  int count = 0;
  std::int64_t tokens = 1, hidden = 1;
};

[[nodiscard]] inline EmbedTables embed_tables(const std::array<EmbedTable, kMaxEmbedTables>& tables,
                                              std::int64_t tokens, std::int64_t hidden) {
  EmbedTables all;
  all.tokens = tokens;
  all.hidden = hidden;
  for (const EmbedTable& table : tables) {
    if (!table.rows) break;
    all.rows[all.count] = table.rows.as<float>();
    all.index[all.count] = elements<std::int32_t>(table.index);
    all.num_rows[all.count] = table.rows.shape(0);
    ++all.count;
  }
  return all;
}

/// Where the rows of one token begin.
struct TokenRows {
  const float* row[kMaxEmbedTables];
};

/// Ends the kernel where an index lies outside of its table.
__device__ inline TokenRows token_rows(const EmbedTables& tables, std::int64_t n) {
  TokenRows token;
#pragma unroll
  for (int t = 0; t < kMaxEmbedTables; ++t) {
    token.row[t] = nullptr;
    if (t >= tables.count) continue;
    const std::int64_t row =
        tables.index[t] == nullptr ? n % tables.tokens : std::int64_t{tables.index[t][n]};
    if (row < 0 || row >= tables.num_rows[t]) simt::trap();
    token.row[t] = tables.rows[t] + row * tables.hidden;
  }
  return token;
}

/// The sum of the rows, added to `sum`.
template <bool kWhole, int kEights>
__device__ void sum_token_rows(const RowPlace& at, const EmbedTables& tables,
                               const TokenRows& token, float (&sum)[kEights][kEight]) {
#pragma unroll
  for (int t = 0; t < kMaxEmbedTables; ++t) {
    if (t >= tables.count) continue;
    Eight<float> row[kEights];
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      if (at.column(i) >= at.hidden) continue;
      row[i] = load_eight<kWhole>(token.row[t], at.column(i), at.hidden);
    }
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      float values[kEight];
      widen_eight(row[i], values);
#pragma unroll
      for (int j = 0; j < kEight; ++j) sum[i][j] += values[j];
    }
  }
}

/// Whether all rows of the tables can be read by 16 bytes.
[[nodiscard]] inline bool tables_are_whole(const EmbedTables& tables) {
  bool whole = true;
  for (const float* rows : tables.rows) whole = whole && rows_are_whole(tables.hidden, rows);
  return whole;
}

}  // namespace epi::kernels::cuda
