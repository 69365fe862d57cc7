// The gradient of attention: which kernels make it, and the pass before them that reads the output.
// No sum depends on the order of blocks: each result is added up by one block, in order.
#include "kernels/cuda/attend_grad.cuh"

#include "kernels/cuda/attend_plain.hpp"
#include "kernels/cuda/scratch.hpp"

namespace epi::kernels::cuda {
namespace {

/// Eight elements of two rows multiplied and added up.
__device__ float dot_words(const simt::Words& a, const simt::Words& b) {
  float sum = 0.0F;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sum = fmaf(simt::low_half(a.w[i]), simt::low_half(b.w[i]), sum);
    sum = fmaf(simt::high_half(a.w[i]), simt::high_half(b.w[i]), sum);
  }
  return sum;
}

/// A group of kWidth / 8 lanes to a query of a head; heads of a token are neighbours, as in memory.
template <int kWidth>
__global__ void query_stats(GradParams p) {
  constexpr unsigned kLanesOfQuery = kWidth / 8;
  const auto index = static_cast<unsigned>(simt::block_x() * simt::num_threads() + simt::thread());
  const unsigned group = index / kLanesOfQuery;
  const int column = static_cast<int>(index % kLanesOfQuery) * 8;
  const int token = static_cast<int>(group / static_cast<unsigned>(p.heads.heads));
  const int head = static_cast<int>(group % static_cast<unsigned>(p.heads.heads));
  const bool exists = token < p.heads.tokens;
  const std::int64_t row = std::int64_t{simt::block_z()} * p.heads.tokens + token;
  float slope = 0.0F;
  if (exists && column < p.heads.size) {
    const std::int64_t at = (row * p.heads.heads + head) * p.heads.size + column;
    slope = dot_words(simt::load_words(p.out + at), simt::load_words(p.dout + at));
  }
#pragma unroll
  for (unsigned mask = 1; mask < kLanesOfQuery; mask *= 2) {
    slope += simt::shuffle_xor(slope, static_cast<int>(mask));
  }
  if (column != 0 || token >= p.padded) return;
  const std::int64_t of_head = std::int64_t{simt::block_z()} * p.heads.heads + head;
  p.stats[of_head * p.padded + token] =
      exists ? QueryStat{p.lse[of_head * p.heads.tokens + token] * kLog2E, slope}
             : QueryStat{INFINITY, 0.0F};
}

void launch_stats(const GradParams& params, const AttendShape& shape, void* stream) {
  switch (tile_size(shape)) {
    case 32:
      return simt::launch(query_stats<32>, stats_launch(shape), stream, params);
    case 64:
      return simt::launch(query_stats<64>, stats_launch(shape), stream, params);
    default:
      return simt::launch(query_stats<128>, stats_launch(shape), stream, params);
  }
}

}  // namespace

void attend_grad(const AttendGradArgs& args, const Context& context) {
  const AttendShape shape = shape_of(args);
  if (tile_size(shape) == 0) return attend_grad_plain(args, context);
  const std::int64_t padded = padded_tokens(shape.tokens);
  const std::int64_t stats = shape.batch * shape.heads * padded;
  context.scratch.begin(Scratch::bytes<QueryStat>(stats));
  const GradParams params{heads_params(args),
                          args.qkv.as<simt::BFloat16>(),
                          args.out.as<simt::BFloat16>(),
                          args.lse.as<float>(),
                          args.dout.as<simt::BFloat16>(),
                          args.dqkv.as<simt::BFloat16>(),
                          context.scratch.take<QueryStat>(stats),
                          static_cast<int>(padded)};
  const bool fused = fuses_gradient(shape, context.limits);
  launch_stats(params, shape, context.stream);
  launch_grad_keys(params, shape, fused, context.stream);
  if (!fused) launch_grad_queries(params, shape, context.stream);
}

}  // namespace epi::kernels::cuda
