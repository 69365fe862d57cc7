// Attention by matrix instructions (after Dao, FlashAttention-2, arXiv 2307.08691): a warp takes 32
// queries of a head, and keys and values come by in blocks of 64, one being copied while another is
// used. Scores stay in registers: as sums of one product they already lie as the left operand of
// the next. Blocks are merged by their largest scores (Milakov and Gimelshein, arXiv 1805.02867).
//
// Bound by how matrix, exponential and shared memory units take turns, so registers are kept at 168
// for three blocks a multiprocessor (heads of 64). Fast: bf16, heads of 32, 64 and 128. Heads
// between are padded with zeros; f32 and odd sizes take attend_plain.cu.
#include "kernels/cuda/attend_heads.cuh"
#include "kernels/cuda/attend_plain.hpp"
#include "kernels/cuda/attend_tiles.cuh"
#include "kernels/cuda/cuda_kernels.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

using simt::BFloat16;

struct ForwardParams {
  HeadsParams heads;
  const BFloat16* qkv;
  BFloat16* out;
  float* lse;
};

constexpr int kM = 2;  // tiles of 16 queries of a warp

// Exponentials may reach 2^kHeadroom before sums are brought to a new shift: so most blocks but the
// first leave them alone, and nothing is lost, since bf16 is as exact at 256 as at 1.
constexpr float kHeadroom = 8.0F;

/// For each of a lane's queries: the exponent of 2 that its exponentials are relative to, and the
/// sum of exponentials over the lane's own columns.
struct Softmax {
  float shift[kM][2];
  float sum[kM][2];
};

/// Keys from `left` on don't count.
template <int kN>
__device__ void mask_keys(Sums<kM, kN>& scores, int left) {
  const int column = simt::lane() % 4 * 2;
#pragma unroll
  for (int n = 0; n < kN; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (8 * n + column + i % 2 < left) continue;
#pragma unroll
      for (int m = 0; m < kM; ++m) scores.at[m][n][i] = -INFINITY;
    }
  }
}

/// Makes each row's largest score its shift, and brings what was summed and mixed so far there.
/// `best` is the largest of the lane's own columns.
template <int kWidth>
__device__ void raise_shifts(const float (&best)[kM][2], float to_log2, Softmax& state,
                             Sums<kM, kWidth / 8>& mixed) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float shift = fmaxf(state.shift[m][half], best[m][half] * to_log2);
      shift = fmaxf(shift, simt::shuffle_xor(shift, 1));
      shift = fmaxf(shift, simt::shuffle_xor(shift, 2));
      const float fade = simt::exp2_fast(state.shift[m][half] - shift);
      state.shift[m][half] = shift;
      state.sum[m][half] *= fade;
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n) {
        mixed.at[m][n][2 * half] *= fade;
        mixed.at[m][n][2 * half + 1] *= fade;
      }
    }
  }
}

/// Scores become exp2(scores to_log2 - shift). A shift need not be that of the largest score: any
/// that keeps exponentials in range gives the same quotients.
template <int kWidth, int kN>
__device__ void take_scores(Sums<kM, kN>& scores, float to_log2, Softmax& state,
                            Sums<kM, kWidth / 8>& mixed) {
  float best[kM][2];
  bool outgrown = false;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float most = scores.at[m][0][2 * half];
#pragma unroll
      for (int n = 0; n < kN; ++n) {
        most = fmaxf(most, fmaxf(scores.at[m][n][2 * half], scores.at[m][n][2 * half + 1]));
      }
      best[m][half] = most;
      outgrown |= fmaf(most, to_log2, -state.shift[m][half]) > kHeadroom;
    }
  }
  if (simt::ballot(outgrown) != 0) raise_shifts<kWidth>(best, to_log2, state, mixed);
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int n = 0; n < kN; ++n) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          float& score = scores.at[m][n][2 * half + j];
          score = simt::exp2_fast(fmaf(score, to_log2, -state.shift[m][half]));
          state.sum[m][half] += score;
        }
      }
    }
  }
}

template <int kN>
__device__ void drop(Sums<kM, kN>& weights, const Draws& draws, int query, int key) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
    const std::uint32_t bits = draw_queries_by_keys<kN>(draws, query + 16 * m, key);
#pragma unroll
    for (int n = 0; n < kN; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (!kept(bits, bit_of_row<kN>(n, i))) weights.at[m][n][i] = 0.0F;
      }
    }
  }
}

/// Writes the log-sum-exp of a warp's queries, `rows` of which exist; leaves in `factors` what
/// mixed values are to be multiplied by.
__device__ void finish_softmax(const Softmax& state, float kept_scale, float* lse, int rows,
                               float (&factors)[kM][2]) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = state.sum[m][half];
      sum += simt::shuffle_xor(sum, 1);
      sum += simt::shuffle_xor(sum, 2);
      factors[m][half] = kept_scale / sum;
      const int row = 16 * m + 8 * half + simt::lane() / 4;
      if (simt::lane() % 4 == 0 && row < rows) {
        lse[row] = state.shift[m][half] / kLog2E + logf(sum);
      }
    }
  }
}

/// Blocks of a multiprocessor that registers are kept low for.
constexpr int forward_blocks(int width, bool drops) {
  return width == 128 || drops ? 2 : 3;
}

template <int kWidth, bool kDrops>
__global__ void __launch_bounds__(kQueryWarps * 32, forward_blocks(kWidth, kDrops))
    attend_forward(ForwardParams p) {
  using Rows = Tile<kWidth>;
  constexpr int kThreads = kQueryWarps * 32;
  constexpr int kKeys = stage_keys(kWidth);
  constexpr int kN = kKeys / 8;
  constexpr int kStage = 2 * Rows::bytes(kKeys);
  const int first_query = simt::block_x() * kBlockQueries;
  const Head head(p.heads);
  const BFloat16* const qkv = p.qkv + head.in_qkv;
  constexpr int kStages = Rows::bytes(kBlockQueries);  // the queries lie before
  RowCopy<kWidth, kKeys, kThreads> keys(qkv + head.hidden, head.stride);
  const auto copy_keys = [&](int to, int left) {
    keys.begin(to, left, p.heads.size, head.stride);
    keys.begin(to + Rows::bytes(kKeys), left, p.heads.size, head.stride, head.hidden);
    keys.advance(head.stride);
  };
  RowCopy<kWidth, kBlockQueries, kThreads>(qkv + first_query * std::int64_t{head.stride},
                                           head.stride)
      .begin(0, p.heads.tokens - first_query, p.heads.size, head.stride);
  copy_keys(kStages, head.valid);
  simt::commit_copies();

  const int own = simt::warp() * 16 * kM;  // first of the warp's queries in the block
  const int own_queries = Rows::rows_first(Rows::bytes(own));
  const float to_log2 = p.heads.scale * kLog2E;
  Sums<kM, kWidth / 8> mixed;
  mixed.clear();
  Softmax state;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
    state.shift[m][0] = state.shift[m][1] = -INFINITY;
    state.sum[m][0] = state.sum[m][1] = 0.0F;
  }
  [[maybe_unused]] const Draws draws(p.heads.dropout, head.sample, head.head, p.heads.tokens);
  int k = kStages;
  for (int left = head.valid; left > 0; left -= kKeys) {
    // After this all have what is used now, and have used what is copied over now.
    simt::wait_copies<0>();
    simt::sync_block();
    const int next = 2 * kStages + kStage - k;
    if (left > kKeys) copy_keys(next, left - kKeys);
    simt::commit_copies();
    Sums<kM, kN> scores;
    multiply_rows<kWidth>(scores, own_queries, Rows::columns_first(k));
    if (left < kKeys) mask_keys(scores, left);
    take_scores<kWidth>(scores, to_log2, state, mixed);
    if constexpr (kDrops) {
      drop(scores, draws, first_query + own, head.valid - left);
    }
    Left<kM, kN / 2> weights;
    round_sums(scores, weights);
    multiply_mix<kWidth>(mixed, weights, Rows::rows_first(k + Rows::bytes(kKeys)));
    k = next;
  }
  const int query = first_query + own;
  const int rows = p.heads.tokens - query;
  float factors[kM][2];
  finish_softmax(state, p.heads.dropout.scale, p.lse + head.in_lse + query, rows, factors);
  store_sums(mixed, factors, p.out + head.in_out + query * std::int64_t{head.hidden}, head.hidden,
             rows, p.heads.size);
}

template <int kWidth>
void launch_forward(const AttendArgs& args, const Context& context) {
  const ForwardParams params{heads_params(args), args.qkv.as<BFloat16>(), args.out.as<BFloat16>(),
                             args.lse.as<float>()};
  const auto kernel = args.dropout.probability > 0.0F ? attend_forward<kWidth, true>
                                                      : attend_forward<kWidth, false>;
  simt::launch(kernel, forward_launch(shape_of(args)), context.stream, params);
}

}  // namespace

void attend(const AttendArgs& args, const Context& context) {
  switch (tile_size(shape_of(args))) {
    case 32:
      return launch_forward<32>(args, context);
    case 64:
      return launch_forward<64>(args, context);
    case 128:
      return launch_forward<128>(args, context);
    default:
      return attend_plain(args, context);
  }
}

}  // namespace epi::kernels::cuda
