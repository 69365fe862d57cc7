// What the kernels of attention's gradient share: operands, and the step from scores and gradients
// of weights to gradients of scores. Included by attend_grad*.cu only.
//
// Probabilities are made anew from the log-sum-exp (Dao et al., arXiv 2205.14135):
//   p = exp2(score scale log2(e) - shift),  dscore = p (f dweight - slope),  slope = dout . out,
// with f = 0 or 1/(1-probability) of dropout. What multiplies a whole result, the scale of scores
// or of kept values, waits until it is stored.
#pragma once

#include "kernels/cuda/attend_heads.cuh"
#include "kernels/cuda/attend_tiles.cuh"
#include "kernels/cuda/cuda_kernels.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

/// Of a query: p = exp2(... - shift). Queries that don't exist have shift = infinity, so p = 0.
struct QueryStat {
  float shift, slope;
};
static_assert(sizeof(QueryStat) == kStatBytes);

struct GradParams {
  HeadsParams heads;
  const simt::BFloat16* qkv;
  const simt::BFloat16* out;
  const float* lse;
  const simt::BFloat16* dout;
  simt::BFloat16* dqkv;
  QueryStat* stats;  ///< [B, heads, padded]
  int padded;        ///< tokens
};

/// The stats of this block's head.
__device__ inline QueryStat* stats_of(const GradParams& p, const Head& head) {
  return p.stats + (std::int64_t{head.sample} * p.heads.heads + head.head) * p.padded;
}

/// Turns a score into the weight of a value and `dweight` into the gradient of the score.
__device__ inline void take_slope(float& score, float& dweight, float to_log2, QueryStat stat,
                                  bool is_kept, float kept_scale) {
  const float weight = simt::exp2_fast(fmaf(score, to_log2, -stat.shift));
  dweight = weight * fmaf(is_kept ? kept_scale : 0.0F, dweight, -stat.slope);
  score = is_kept ? weight : 0.0F;
}

// attend_grad_keys.cu
/// Gradients of keys and values; of queries too where fuses_gradient says so.
void launch_grad_keys(const GradParams& params, const AttendShape& shape, bool fused, void* stream);
// attend_grad_queries.cu
/// Gradients of queries.
void launch_grad_queries(const GradParams& params, const AttendShape& shape, void* stream);

}  // namespace epi::kernels::cuda
