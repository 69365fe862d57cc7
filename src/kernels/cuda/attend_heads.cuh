// What the kernels of attention and of its gradient share: the operands of a call, where a block's
// head lies in them, and one block of scores.
#pragma once

#include <cmath>

#include "kernels/cuda/attend_dropout.cuh"
#include "kernels/cuda/attend_geometry.hpp"
#include "kernels/ops.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {

inline constexpr float kLog2E = 1.44269504F;

/// Shapes, lengths and dropout of a call.
struct HeadsParams {
  int tokens, heads, size;
  const std::int32_t* lengths;  ///< or null
  DropoutSite dropout;
  float scale;  ///< 1 / sqrt(D)
};

template <class Args>
[[nodiscard]] AttendShape shape_of(const Args& args) {
  return {.batch = args.qkv.shape(0),
          .tokens = args.qkv.shape(1),
          .heads = args.heads,
          .size = args.qkv.shape(2) / 3 / args.heads,
          .type = args.qkv.dtype()};
}

template <class Args>
[[nodiscard]] HeadsParams heads_params(const Args& args) {
  const AttendShape s = shape_of(args);
  core::require(s.tokens * s.heads * s.size * 3 < std::int64_t{1} << 31U,
                "queries, keys and values of one sample have fewer than 2^31 elements");
  return {.tokens = static_cast<int>(s.tokens),
          .heads = args.heads,
          .size = static_cast<int>(s.size),
          .lengths = args.lengths ? args.lengths.template as<std::int32_t>() : nullptr,
          .dropout = dropout_site(args.dropout, args.state),
          .scale = 1.0F / std::sqrt(static_cast<float>(s.size))};
}

/// The head and sample of this block.
struct Head {
  int sample = simt::block_z(), head = simt::block_y();
  int valid;                            ///< keys that count
  int stride, hidden;                   ///< distances of rows in qkv and in out
  std::int64_t in_qkv, in_out, in_lse;  ///< offsets of its first elements

  __device__ explicit Head(const HeadsParams& p)
      : valid(p.lengths == nullptr ? p.tokens : p.lengths[sample]),
        stride(3 * p.heads * p.size),
        hidden(p.heads * p.size),
        in_qkv(std::int64_t{sample} * p.tokens * stride + std::int64_t{head} * p.size),
        in_out(std::int64_t{sample} * p.tokens * hidden + std::int64_t{head} * p.size),
        in_lse((std::int64_t{sample} * p.heads + head) * p.tokens) {}
};

/// Whether element `bit` of a word of draws is kept.
__device__ inline bool kept(std::uint32_t bits, int bit) {
  return (bits >> bit & 1U) != 0;
}

}  // namespace epi::kernels::cuda
