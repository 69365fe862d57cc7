// Gradients of keys and values, and where memory allows of queries too.
//
// A warp owns some keys, and queries come by in steps of 32. Scores lie across, S^T = K Q^T, so
// that P^T and dS^T are, as they lie in registers, left operands of dV += P^T dout and dK += dS^T
// Q.
//
// Queries' gradients sum over keys, hence over warps. Fused: one block takes all keys of a head in
// turn; dS^T goes through shared memory once, and dQ += dS K is added up there in f32, each thread
// keeping its own elements. That is 5 products instead of 7 and half of the exponentials, for one
// block a multiprocessor.
#include <bit>

#include "kernels/cuda/attend_grad.cuh"

namespace epi::kernels::cuda {
namespace {

constexpr int kN = kGradStep / 8;

/// Where everything lies in the arena.
template <int kWidth, bool kFused>
struct Layout {
  static constexpr int kWarps = kFused ? kFusedWarps : kSplitWarps;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kM = tiles_of_warp(kWidth);
  static constexpr int kKeys = grad_keys(kWidth, kWarps);
  static constexpr int kOperand = Tile<kWidth>::bytes(kGradStep);
  static constexpr int kStatsBytes = kGradStep * kStatBytes;
  static constexpr int kValuesAt = Tile<kWidth>::bytes(kKeys);  // keys lie before
  static constexpr int kStages = 2 * kValuesAt;                 // queries and dout, twice
  static constexpr int kStats = kStages + 4 * kOperand;         // twice
};

// What lies behind that when fused: dS^T and dQ.
constexpr int kScoresAt =
    Layout<kFusedTile, true>::kStats + 2 * Layout<kFusedTile, true>::kStatsBytes;
constexpr int kSumsAt = kScoresAt + Tile<kGradStep>::bytes(Layout<kFusedTile, true>::kKeys);

/// Makes `scores` weights of values and `dweights` gradients of scores. `stats` are this step's
/// in shared memory; of the warp's keys `left` exist.
template <int kM>
__device__ void take_slopes(Sums<kM, kN>& scores, Sums<kM, kN>& dweights, const std::byte* stats,
                            std::uint32_t bits, float to_log2, float kept_scale, int left) {
  if (left < 16 * kM) {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (16 * m + i / 2 * 8 + simt::lane() / 4 < left) continue;
#pragma unroll
        for (int n = 0; n < kN; ++n) scores.at[m][n][i] = -INFINITY;
      }
    }
  }
  const int column = simt::lane() % 4 * 2;
#pragma unroll
  for (int n = 0; n < kN; ++n) {
    const simt::Words two = simt::load_words(stats + (8 * n + column) * kStatBytes);
    const QueryStat stat[2] = {{std::bit_cast<float>(two.w[0]), std::bit_cast<float>(two.w[1])},
                               {std::bit_cast<float>(two.w[2]), std::bit_cast<float>(two.w[3])}};
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        take_slope(scores.at[m][n][i], dweights.at[m][n][i], to_log2, stat[i % 2],
                   kept(bits, 16 * m + 4 * n + i), kept_scale);
      }
    }
  }
}

/// dS^T of the warp's keys, from `own` on, to shared memory.
template <int kM>
__device__ void store_scores(const Left<kM, kN / 2>& dscores, int to, int own) {
  using Rows = Tile<kGradStep>;
  const int row = own + simt::lane() / 4;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int k = 0; k < kN / 2; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at = Rows::at((row + 16 * m + i % 2 * 8) * Rows::kChunks + 2 * k + i / 2);
        *reinterpret_cast<std::uint32_t*>(simt::shared() + to + at + simt::lane() % 4 * 4) =
            dscores.at[m][k][i];
      }
    }
  }
}

/// A thread's place for its sums of step `step`.
__device__ inline std::byte* sums_at(int sums, int step, int half) {
  return simt::shared() + sums + ((2 * step + half) * simt::num_threads() + simt::thread()) * 16;
}

__device__ inline void load_sums(Sums<1, 2>& sums, int from, int step) {
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    const simt::Words words = simt::load_words(sums_at(from, step, n));
#pragma unroll
    for (int i = 0; i < 4; ++i) sums.at[0][n][i] = std::bit_cast<float>(words.w[i]);
  }
}

__device__ inline void keep_sums(const Sums<1, 2>& sums, int to, int step) {
#pragma unroll
  for (int n = 0; n < 2; ++n) {
    simt::Words words;
#pragma unroll
    for (int i = 0; i < 4; ++i) words.w[i] = std::bit_cast<std::uint32_t>(sums.at[0][n][i]);
    simt::store_words(sums_at(to, step, n), words);
  }
}

/// sums += dS K for the warp's 16 queries and 16 columns of this step.
__device__ inline void mix_keys(Sums<1, 2>& sums) {
  const int dscores = Tile<kGradStep>::columns_first(kScoresAt);
  const int keys = Tile<kFusedTile>::rows_first(0);
#pragma unroll 4
  for (int row = 0; row < Layout<kFusedTile, true>::kKeys; row += 16) {
    std::uint32_t left[4], right[4];
    simt::load_matrices_transposed(left, place<kGradStep>(dscores, row, simt::warp() % 2));
    simt::load_matrices_transposed(right, place<kFusedTile>(keys, row, simt::warp() / 2));
    simt::multiply_add(sums.at[0][0], left, right[0], right[1]);
    simt::multiply_add(sums.at[0][1], left, right[2], right[3]);
  }
}
static_assert(kFusedWarps == 2 * (kFusedTile / 16) && kGradStep == 2 * 16);

/// What passes by: queries, gradients of the output, stats.
template <class At, int kWidth>
struct StepCopy {
  using Copy = RowCopy<kWidth, kGradStep, At::kThreads>;
  Copy queries, douts;
  const QueryStat* stats;

  __device__ StepCopy(const GradParams& p, const Head& head)
      : queries(p.qkv + head.in_qkv, head.stride),
        douts(p.dout + head.in_out, head.hidden),
        stats(stats_of(p, head)) {}

  /// Begins the copy of step `step`, the next one.
  __device__ void begin(const GradParams& p, const Head& head, int step) {
    const int to = At::kStages + step % 2 * 2 * At::kOperand;
    const int rows = p.heads.tokens - step * kGradStep;
    queries.begin(to, rows, p.heads.size, head.stride);
    douts.begin(to + At::kOperand, rows, p.heads.size, head.hidden);
    queries.advance(head.stride);
    douts.advance(head.hidden);
    const int chunk = simt::thread();
    if (chunk < At::kStatsBytes / 16) {
      simt::copy_async(simt::shared() + At::kStats + step % 2 * At::kStatsBytes + chunk * 16,
                       stats + chunk * 2);
    }
    stats += kGradStep;
    simt::commit_copies();
  }
};

template <int kWidth, bool kDrops, bool kFused>
__global__ void __launch_bounds__(Layout<kWidth, kFused>::kThreads, kFused ? 1 : 2)
    attend_grad_keys(GradParams p) {
  using Rows = Tile<kWidth>;
  using At = Layout<kWidth, kFused>;
  constexpr int kM = At::kM;
  const Head head(p.heads);
  const int steps = (p.heads.tokens + kGradStep - 1) / kGradStep;
  const int own = simt::warp() * 16 * kM;
  const float to_log2 = p.heads.scale * kLog2E;
  const int end = kFused ? p.heads.tokens : (simt::block_x() + 1) * At::kKeys;
  for (int first = simt::block_x() * At::kKeys; first < end && first < p.heads.tokens;
       first += At::kKeys) {
    const int left = head.valid - first;  // keys that count
    Sums<kM, kWidth / 8> dkeys, dvalues;
    dkeys.clear();
    dvalues.clear();
    if (left > 0) {
      if (kFused && first > 0) simt::sync_block();  // all are done with the keys before
      const simt::BFloat16* keys =
          p.qkv + head.in_qkv + head.hidden + first * std::int64_t{head.stride};
      const RowCopy<kWidth, At::kKeys, At::kThreads> copy(keys, head.stride);
      copy.begin(0, left, p.heads.size, head.stride);
      copy.begin(At::kValuesAt, left, p.heads.size, head.stride, head.hidden);
      StepCopy<At, kWidth> next(p, head);
      next.begin(p, head, 0);
#pragma unroll 1
      for (int step = 0; step < steps; ++step) {
        simt::wait_copies<0>();
        simt::sync_block();
        if (step + 1 < steps) next.begin(p, head, step + 1);
        const int q = At::kStages + step % 2 * 2 * At::kOperand;
        std::uint32_t bits = 0xffffffffU;
        if constexpr (kDrops) {
          const Draws draws(p.heads.dropout, head.sample, head.head, p.heads.tokens);
          bits = 0;
#pragma unroll
          for (int m = 0; m < kM; ++m) {
            bits |= draw_keys_by_queries(draws, first + own + 16 * m, step * kGradStep) << 16 * m;
          }
        }
        Sums<kM, kN> scores, dweights;
        const int own_keys = Rows::rows_first(Rows::bytes(own));
        multiply_rows<kWidth>(scores, own_keys, Rows::columns_first(q));
        multiply_rows<kWidth>(dweights, own_keys + At::kValuesAt,
                              Rows::columns_first(q + At::kOperand));
        take_slopes(scores, dweights, simt::shared() + At::kStats + step % 2 * At::kStatsBytes,
                    bits, to_log2, p.heads.dropout.scale, left - own);
        Left<kM, kN / 2> weights, dscores;
        round_sums(scores, weights);
        round_sums(dweights, dscores);
        if constexpr (kFused) store_scores(dscores, kScoresAt, own);
        multiply_mix<kWidth>(dvalues, weights, Rows::rows_first(q + At::kOperand));
        multiply_mix<kWidth>(dkeys, dscores, Rows::rows_first(q));
        if constexpr (kFused) {
          simt::sync_block();
          Sums<1, 2> dqueries;
          dqueries.clear();
          if (first > 0) load_sums(dqueries, kSumsAt, step);
          mix_keys(dqueries);
          if (left > At::kKeys) {
            keep_sums(dqueries, kSumsAt, step);
          } else {  // the last keys that count
            const int query = step * kGradStep + simt::warp() % 2 * 16;
            const int column = simt::warp() / 2 * 16;
            const float scale[1][2] = {{p.heads.scale, p.heads.scale}};
            store_sums(dqueries, scale,
                       p.dqkv + head.in_qkv + query * std::int64_t{head.stride} + column,
                       head.stride, p.heads.tokens - query, p.heads.size - column);
          }
        }
      }
    }
    float of_keys[kM][2], of_values[kM][2];
#pragma unroll
    for (int m = 0; m < kM; ++m) {
      of_keys[m][0] = of_keys[m][1] = p.heads.scale;
      of_values[m][0] = of_values[m][1] = p.heads.dropout.scale;
    }
    const int key = first + own;
    simt::BFloat16* const to = p.dqkv + head.in_qkv + head.hidden + key * std::int64_t{head.stride};
    store_sums(dkeys, of_keys, to, head.stride, p.heads.tokens - key, p.heads.size);
    store_sums(dvalues, of_values, to + head.hidden, head.stride, p.heads.tokens - key,
               p.heads.size);
  }
}

template <int kWidth, bool kFused>
void launch(const GradParams& params, const Launch& shape, void* stream) {
  const auto kernel = params.heads.dropout.state != nullptr
                          ? attend_grad_keys<kWidth, true, kFused>
                          : attend_grad_keys<kWidth, false, kFused>;
  simt::launch(kernel, shape, stream, params);
}

}  // namespace

void launch_grad_keys(const GradParams& params, const AttendShape& shape, bool fused,
                      void* stream) {
  if (fused) return launch<kFusedTile, true>(params, fused_launch(shape), stream);
  switch (tile_size(shape)) {
    case 32:
      return launch<32, false>(params, grad_keys_launch(shape), stream);
    case 64:
      return launch<64, false>(params, grad_keys_launch(shape), stream);
    default:
      return launch<128, false>(params, grad_keys_launch(shape), stream);
  }
}

}  // namespace epi::kernels::cuda
