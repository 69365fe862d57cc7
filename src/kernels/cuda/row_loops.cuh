// What kernels over rows share: which elements a thread holds, moments of a row, and the gradient
// of LayerNorm. Bound by memory: each element is read once and written once.
#pragma once

#include "kernels/cuda/dropout.cuh"
#include "kernels/cuda/row_geometry.hpp"
#include "kernels/cuda/sums.cuh"
#include "kernels/cuda/vec.cuh"

namespace epi::kernels::cuda {

/// Where a thread is in the rows of a call.
struct RowPlace {
  int hidden;
  int warps;        ///< of a team
  int teams;        ///< of a block
  int team;         ///< this thread's
  int first;        ///< this thread's first column
  int stride;       ///< from one eight of this thread to the next
  float* room;      ///< a float for each warp of the block
  float one_share;  ///< 1 / hidden

  __device__ RowPlace(std::int64_t row_hidden, int team_warps)
      : hidden(static_cast<int>(row_hidden)),
        warps(team_warps),
        teams(simt::num_warps() / team_warps),
        team(simt::warp() / team_warps),
        first(kEight * (simt::warp() % team_warps * simt::kWarp + simt::lane())),
        stride(kEight * simt::kWarp * team_warps),
        room(reinterpret_cast<float*>(simt::shared())),
        one_share(1.0F / static_cast<float>(row_hidden)) {}

  /// First column of eight i of this thread; may lie past the row.
  __device__ int column(int i) const { return first + i * stride; }
  /// The team's sum of a float; all threads of the block call it.
  __device__ float sum(float value) const { return team_sum(value, warps, room); }
};

/// 1 / sqrt(variance + epsilon) of a row that is held in registers; the second pass keeps digits
/// where the mean is large.
template <int kEights>
__device__ float inverse_deviation(const RowPlace& at, const float (&row)[kEights][kEight],
                                   float mean, float epsilon) {
  float squares = 0.0F;
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      const float offset = at.column(i) + j < at.hidden ? row[i][j] - mean : 0.0F;
      squares += offset * offset;
    }
  }
  return simt::rsqrt_exact(at.sum(squares) * at.one_share + epsilon);
}

/// The sum of what threads hold of a row (zeros past its end), over hidden.
template <int kEights>
__device__ float mean_of(const RowPlace& at, const float (&row)[kEights][kEight]) {
  float total = 0.0F;
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
#pragma unroll
    for (int j = 0; j < kEight; ++j) total += row[i][j];
  }
  return at.sum(total) * at.one_share;
}

/// Eight elements of a row, normalised, scaled and shifted in place.
template <bool kWhole>
__device__ inline void normalise_eight(const RowPlace& at, int i, const float* gamma,
                                       const float* beta, float mean, float rstd,
                                       float (&values)[kEight]) {
  float scale[kEight], shift[kEight];
  load_floats<kWhole>(gamma, at.column(i), at.hidden, scale);
  load_floats<kWhole>(beta, at.column(i), at.hidden, shift);
#pragma unroll
  for (int j = 0; j < kEight; ++j) values[j] = (values[j] - mean) * rstd * scale[j] + shift[j];
}

/// dgamma and dbeta of all rows that a thread has met.
template <int kEights>
struct NormGradSums {
  float dgamma[kEights][kEight] = {};
  float dbeta[kEights][kEight] = {};
};

/// A row's own numbers; as they are here it counts nowhere and is not written.
struct GradRow {
  int hidden = 0;
  float mean = 0.0F, rstd = 0.0F;
};

/// The gradient of LayerNorm for one row: with g = dout gamma and the normalised row y,
/// dsum = rstd (g - mean(g) - y mean(g y)) (Ba et al., arXiv 1607.06450, differentiated).
/// get(i, sum, dout) gives eight i of both, 0 past the row; put(i, dsum) takes the result.
template <bool kWhole, int kEights, class Get, class Put>
__device__ void norm_grad_row(const RowPlace& at, const float* gamma, const GradRow& row,
                              NormGradSums<kEights>& sums, const Get& get, const Put& put) {
  const auto normal_and_g = [&](int i, float(&normal)[kEight], float(&dout)[kEight],
                                float(&g)[kEight]) {
    get(i, normal, dout);
    load_floats<kWhole>(gamma, at.column(i), row.hidden, g);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      normal[j] = (normal[j] - row.mean) * row.rstd;
      g[j] *= dout[j];
    }
  };
  float total = 0.0F, total_normal = 0.0F;
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= row.hidden) continue;
    float normal[kEight], dout[kEight], g[kEight];
    normal_and_g(i, normal, dout, g);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      total += g[j];
      total_normal += g[j] * normal[j];
      sums.dgamma[i][j] += dout[j] * normal[j];
      sums.dbeta[i][j] += dout[j];
    }
  }
  const float mean_g = at.sum(total) * at.one_share;
  const float mean_gy = at.sum(total_normal) * at.one_share;
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= row.hidden) continue;
    float normal[kEight], dout[kEight], g[kEight];
    normal_and_g(i, normal, dout, g);
#pragma unroll
    for (int j = 0; j < kEight; ++j) g[j] = row.rstd * (g[j] - mean_g - normal[j] * mean_gy);
    put(i, g);
  }
}

/// Adds up the partial sums of a block in the order of its teams, and writes them as those of
/// `piece` to partials [pieces, 2, hidden]: dgamma before dbeta. All threads call it.
template <bool kWhole, int kEights>
__device__ void write_partials(const RowPlace& at, const NormGradSums<kEights>& sums,
                               float* partials, std::int64_t piece) {
  const auto hidden = static_cast<std::int64_t>(at.hidden);
  float* room = at.room + kSumFloats;
  if (at.team > 0) {
    float* mine = room + 2 * hidden * (at.team - 1);
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      if (at.column(i) >= at.hidden) continue;
      store_floats<kWhole>(mine, at.column(i), at.hidden, sums.dgamma[i]);
      store_floats<kWhole>(mine + hidden, at.column(i), at.hidden, sums.dbeta[i]);
    }
  }
  simt::sync_block();
  if (at.team > 0) return;
  float* to = partials + 2 * hidden * piece;
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= at.hidden) continue;
    const auto finish = [&](const float(&own)[kEight], std::int64_t offset) {
      float total[kEight], other[kEight];
#pragma unroll
      for (int j = 0; j < kEight; ++j) total[j] = own[j];
      for (int team = 1; team < at.teams; ++team) {
        load_floats<kWhole>(room + 2 * hidden * (team - 1) + offset, at.column(i), at.hidden,
                            other);
#pragma unroll
        for (int j = 0; j < kEight; ++j) total[j] += other[j];
      }
      store_floats<kWhole>(to + offset, at.column(i), at.hidden, total);
    };
    finish(sums.dgamma[i], 0);
    finish(sums.dbeta[i], hidden);
  }
}

}  // namespace epi::kernels::cuda
