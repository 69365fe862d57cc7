// Gradients of queries, where keys have a kernel of their own: laid out as attention itself, a warp
// to 32 queries. Scores and gradients of weights are made for 32 keys at a time, so that both fit
// into registers beside the sums, and become the left operand of dQ += dS K there.
#include "kernels/cuda/attend_grad.cuh"

namespace epi::kernels::cuda {
namespace {

constexpr int kM = 2;
constexpr int kSlice = 32;  // keys
constexpr int kN = kSlice / 8;

/// Stats of a lane's queries, `from` being those of the warp's first one.
__device__ void load_stats(const QueryStat* from, QueryStat (&stats)[kM][2]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      stats[m][half] = from[16 * m + 8 * half + simt::lane() / 4];
    }
  }
}

/// Makes `dweights` gradients of scores; keys from `left` on get none.
__device__ void take_slopes(Sums<kM, kN>& scores, Sums<kM, kN>& dweights,
                            const QueryStat (&stats)[kM][2], const std::uint32_t (&bits)[kM],
                            float to_log2, float kept_scale, int left) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        take_slope(scores.at[m][n][i], dweights.at[m][n][i], to_log2, stats[m][i / 2],
                   kept(bits[m], bit_of_row<kN>(n, i)), kept_scale);
      }
    }
  }
  if (left >= kSlice) return;
  const int column = simt::lane() % 4 * 2;
#pragma unroll
  for (int n = 0; n < kN; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (8 * n + column + i % 2 < left) continue;
#pragma unroll
      for (int m = 0; m < kM; ++m) dweights.at[m][n][i] = 0.0F;
    }
  }
}

template <int kWidth, bool kDrops>
__global__ void __launch_bounds__(kQueryWarps * 32, kWidth == 64 && !kDrops ? 3 : 2)
    attend_grad_queries(GradParams p) {
  using Rows = Tile<kWidth>;
  constexpr int kThreads = kQueryWarps * 32;
  constexpr int kKeys = stage_keys(kWidth);
  constexpr int kStage = 2 * Rows::bytes(kKeys);
  constexpr int kDout = Rows::bytes(kBlockQueries);  // queries lie before
  constexpr int kStages = 2 * kDout;
  const int first_query = simt::block_x() * kBlockQueries;
  const Head head(p.heads);
  const simt::BFloat16* const qkv = p.qkv + head.in_qkv;
  RowCopy<kWidth, kKeys, kThreads> keys(qkv + head.hidden, head.stride);
  const auto copy_keys = [&](int to, int left) {
    keys.begin(to, left, p.heads.size, head.stride);
    keys.begin(to + Rows::bytes(kKeys), left, p.heads.size, head.stride, head.hidden);
    keys.advance(head.stride);
  };
  using QueryCopy = RowCopy<kWidth, kBlockQueries, kThreads>;
  const int queries = p.heads.tokens - first_query;
  QueryCopy(qkv + first_query * std::int64_t{head.stride}, head.stride)
      .begin(0, queries, p.heads.size, head.stride);
  QueryCopy(p.dout + head.in_out + first_query * std::int64_t{head.hidden}, head.hidden)
      .begin(kDout, queries, p.heads.size, head.hidden);
  copy_keys(kStages, head.valid);
  simt::commit_copies();

  const int own = simt::warp() * 16 * kM;
  const int own_queries = Rows::rows_first(Rows::bytes(own));
  const float to_log2 = p.heads.scale * kLog2E;
  QueryStat stats[kM][2];
  load_stats(stats_of(p, head) + first_query + own, stats);
  Sums<kM, kWidth / 8> dqueries;
  dqueries.clear();
  int k = kStages;
  for (int left = head.valid; left > 0; left -= kKeys) {
    simt::wait_copies<0>();
    simt::sync_block();
    const int next = 2 * kStages + kStage - k;
    if (left > kKeys) copy_keys(next, left - kKeys);
    simt::commit_copies();
#pragma unroll 1
    for (int slice = 0; slice < kKeys && slice < left; slice += kSlice) {
      const int at = k + Rows::bytes(slice);
      std::uint32_t bits[kM] = {0xffffffffU, 0xffffffffU};
      if constexpr (kDrops) {
        const Draws draws(p.heads.dropout, head.sample, head.head, p.heads.tokens);
#pragma unroll
        for (int m = 0; m < kM; ++m) {
          bits[m] = draw_queries_by_keys<kN>(draws, first_query + own + 16 * m,
                                             head.valid - left + slice);
        }
      }
      Sums<kM, kN> scores, dweights;
      multiply_rows<kWidth>(scores, own_queries, Rows::columns_first(at));
      multiply_rows<kWidth>(dweights, own_queries + kDout,
                            Rows::columns_first(at + Rows::bytes(kKeys)));
      take_slopes(scores, dweights, stats, bits, to_log2, p.heads.dropout.scale, left - slice);
      Left<kM, kN / 2> dscores;
      round_sums(dweights, dscores);
      multiply_mix<kWidth>(dqueries, dscores, Rows::rows_first(at));
    }
    k = next;
  }
  const int query = first_query + own;
  float factors[kM][2];
#pragma unroll
  for (int m = 0; m < kM; ++m) factors[m][0] = factors[m][1] = p.heads.scale;
  store_sums(dqueries, factors, p.dqkv + head.in_qkv + query * std::int64_t{head.stride},
             head.stride, p.heads.tokens - query, p.heads.size);
}

template <int kWidth>
void launch(const GradParams& params, const AttendShape& shape, void* stream) {
  const auto kernel = params.heads.dropout.state != nullptr ? attend_grad_queries<kWidth, true>
                                                            : attend_grad_queries<kWidth, false>;
  simt::launch(kernel, grad_queries_launch(shape), stream, params);
}

}  // namespace

void launch_grad_queries(const GradParams& params, const AttendShape& shape, void* stream) {
  switch (tile_size(shape)) {
    case 32:
      return launch<32>(params, shape, stream);
    case 64:
      return launch<64>(params, shape, stream);
    default:
      return launch<128>(params, shape, stream);
  }
}

}  // namespace epi::kernels::cuda
