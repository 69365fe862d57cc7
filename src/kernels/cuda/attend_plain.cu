// Attention and its gradient in plain multiplications, all in f32: a warp takes a query or a key of
// its own, and rows of the other kind come by 32 at a time, one for each lane. Right for every type
// and head size; fast for none.
#include "kernels/cuda/attend_plain.hpp"

#include "kernels/cuda/attend_heads.cuh"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/sums.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

template <class T>
struct PlainParams {
  HeadsParams heads;
  const T* qkv;
  T* out;
  float* lse;
};

template <class T>
struct PlainGradParams {
  HeadsParams heads;
  const T* qkv;
  const T *out, *dout;
  const float* lse;
  T* dqkv;
  float* slopes;  ///< [B, heads, T]: dout . out
};

/// The warp's own rows of D floats in shared memory, then lists of 32.
struct Own {
  int size;
  float* memory;

  __device__ Own(int of_size, int rows)
      : size(of_size),
        memory(reinterpret_cast<float*>(simt::shared()) + simt::warp() * (of_size * rows + 64)) {}
  __device__ float* row(int number) const { return memory + number * size; }
  __device__ float* list(int rows, int number) const { return memory + rows * size + number * 32; }
};

template <class T>
__device__ void load_row(const T* from, int size, float* to) {
  for (int d = simt::lane(); d < size; d += simt::kWarp) to[d] = simt::widen(from[d]);
}

__device__ void clear_row(int size, float* to) {
  for (int d = simt::lane(); d < size; d += simt::kWarp) to[d] = 0.0F;
}

template <class T>
__device__ void store_row(const float* from, float factor, int size, T* to) {
  for (int d = simt::lane(); d < size; d += simt::kWarp) to[d] = simt::narrow<T>(from[d] * factor);
}

template <class T>
__device__ float dot(const float* a, const T* b, int size) {
  float sum = 0.0F;
  for (int d = 0; d < size; ++d) sum = fmaf(a[d], simt::widen(b[d]), sum);
  return sum;
}

__device__ float largest_of_warp(float value) {
  for (int mask = 16; mask > 0; mask /= 2) value = fmaxf(value, simt::shuffle_xor(value, mask));
  return value;
}

/// to = fade to + sum_j factors[j] rows[j].
template <class T>
__device__ void add_rows(const float* factors, const T* rows, int stride, int count, int size,
                         float fade, float* to) {
  for (int d = simt::lane(); d < size; d += simt::kWarp) {
    float sum = to[d] * fade;
    for (int j = 0; j < count; ++j) {
      sum = fmaf(factors[j], simt::widen(rows[std::int64_t{j} * stride + d]), sum);
    }
    to[d] = sum;
  }
}

/// What dropout makes of a probability.
__device__ float dropout_factor(const DropoutSite& dropout, const Draws& draws, int query,
                                int key) {
  if (dropout.state == nullptr) return 1.0F;
  return draws.one(query, key) != 0 ? dropout.scale : 0.0F;
}

constexpr int kForwardRows = 2;  // query, result

template <class T>
__global__ void attend_plain_kernel(PlainParams<T> p) {
  const int size = p.heads.size;
  const int query = simt::block_x() * simt::num_warps() + simt::warp();
  if (query >= p.heads.tokens) return;
  const Head head(p.heads);
  const Draws draws(p.heads.dropout, head.sample, head.head, p.heads.tokens);
  const T* qkv = p.qkv + head.in_qkv;
  const Own own(size, kForwardRows);
  float* const weights = own.list(kForwardRows, 0);
  load_row(qkv + std::int64_t{query} * head.stride, size, own.row(0));
  clear_row(size, own.row(1));
  float largest = -INFINITY;
  float sum = 0.0F;
  for (int first = 0; first < head.valid; first += simt::kWarp) {
    simt::sync_warp();
    const int key = first + simt::lane();
    const T* keys = qkv + head.hidden + std::int64_t{first} * head.stride;
    float score = -INFINITY;
    float factor = 0.0F;
    if (key < head.valid) {
      score =
          dot(own.row(0), keys + std::int64_t{simt::lane()} * head.stride, size) * p.heads.scale;
      factor = dropout_factor(p.heads.dropout, draws, query, key);
    }
    const float best = fmaxf(largest, largest_of_warp(score));
    const float fade = expf(largest - best);
    const float weight = expf(score - best);
    sum = sum * fade + weight;
    largest = best;
    weights[simt::lane()] = weight * factor;
    simt::sync_warp();
    const int count = head.valid - first < simt::kWarp ? head.valid - first : simt::kWarp;
    add_rows(weights, keys + head.hidden, head.stride, count, size, fade, own.row(1));
  }
  sum = warp_sum(sum);
  store_row(own.row(1), 1.0F / sum, size, p.out + head.in_out + std::int64_t{query} * head.hidden);
  if (simt::lane() == 0) p.lse[head.in_lse + query] = largest + logf(sum);
}

/// Gradient of a score, before the scale: p (f dp - slope).
struct Slope {
  float weight, score;
};
__device__ Slope slope_of(float score, float lse, float factor, float dweight, float slope) {
  const float weight = expf(score - lse);
  return {weight * factor, weight * fmaf(factor, dweight, -slope)};
}

constexpr int kQueryRows = 3;  // query, gradient of the result, sum

template <class T>
__global__ void grad_plain_queries(PlainGradParams<T> p) {
  const int size = p.heads.size;
  const int query = simt::block_x() * simt::num_warps() + simt::warp();
  if (query >= p.heads.tokens) return;
  const Head head(p.heads);
  const Draws draws(p.heads.dropout, head.sample, head.head, p.heads.tokens);
  const T* qkv = p.qkv + head.in_qkv;
  const std::int64_t in_out = head.in_out + std::int64_t{query} * head.hidden;
  const Own own(size, kQueryRows);
  float* const dscores = own.list(kQueryRows, 0);
  load_row(qkv + std::int64_t{query} * head.stride, size, own.row(0));
  load_row(p.dout + in_out, size, own.row(1));
  clear_row(size, own.row(2));
  simt::sync_warp();
  float slope = 0.0F;
  for (int d = simt::lane(); d < size; d += simt::kWarp) {
    slope = fmaf(own.row(1)[d], simt::widen(p.out[in_out + d]), slope);
  }
  slope = warp_sum(slope);
  if (simt::lane() == 0) p.slopes[head.in_lse + query] = slope;
  const float lse = p.lse[head.in_lse + query];
  for (int first = 0; first < head.valid; first += simt::kWarp) {
    const T* keys = qkv + head.hidden + std::int64_t{first} * head.stride;
    const int count = head.valid - first < simt::kWarp ? head.valid - first : simt::kWarp;
    float dscore = 0.0F;
    if (simt::lane() < count) {
      const T* key = keys + std::int64_t{simt::lane()} * head.stride;
      const float factor = dropout_factor(p.heads.dropout, draws, query, first + simt::lane());
      dscore = slope_of(dot(own.row(0), key, size) * p.heads.scale, lse, factor,
                        dot(own.row(1), key + head.hidden, size), slope)
                   .score;
    }
    dscores[simt::lane()] = dscore;
    simt::sync_warp();
    add_rows(dscores, keys, head.stride, count, size, 1.0F, own.row(2));
    simt::sync_warp();
  }
  store_row(own.row(2), p.heads.scale, size,
            p.dqkv + head.in_qkv + std::int64_t{query} * head.stride);
}

constexpr int kKeyRows = 4;  // key, value, their sums

template <class T>
__global__ void grad_plain_keys(PlainGradParams<T> p) {
  const int size = p.heads.size;
  const int key = simt::block_x() * simt::num_warps() + simt::warp();
  if (key >= p.heads.tokens) return;
  const Head head(p.heads);
  const Draws draws(p.heads.dropout, head.sample, head.head, p.heads.tokens);
  const T* queries = p.qkv + head.in_qkv;
  const T* douts = p.dout + head.in_out;
  const std::int64_t in_keys = head.in_qkv + head.hidden + std::int64_t{key} * head.stride;
  const Own own(size, kKeyRows);
  float* const weights = own.list(kKeyRows, 0);
  float* const dscores = own.list(kKeyRows, 1);
  load_row(p.qkv + in_keys, size, own.row(0));
  load_row(p.qkv + in_keys + head.hidden, size, own.row(1));
  clear_row(size, own.row(2));
  clear_row(size, own.row(3));
  simt::sync_warp();
  const int last = key < head.valid ? p.heads.tokens : 0;
  for (int first = 0; first < last; first += simt::kWarp) {
    const int count = last - first < simt::kWarp ? last - first : simt::kWarp;
    const int query = first + simt::lane();
    Slope slope{0.0F, 0.0F};
    if (simt::lane() < count) {
      const float factor = dropout_factor(p.heads.dropout, draws, query, key);
      slope = slope_of(
          dot(own.row(0), queries + std::int64_t{query} * head.stride, size) * p.heads.scale,
          p.lse[head.in_lse + query], factor,
          dot(own.row(1), douts + std::int64_t{query} * head.hidden, size),
          p.slopes[head.in_lse + query]);
    }
    weights[simt::lane()] = slope.weight;
    dscores[simt::lane()] = slope.score;
    simt::sync_warp();
    add_rows(dscores, queries + std::int64_t{first} * head.stride, head.stride, count, size, 1.0F,
             own.row(2));
    add_rows(weights, douts + std::int64_t{first} * head.hidden, head.hidden, count, size, 1.0F,
             own.row(3));
    simt::sync_warp();
  }
  store_row(own.row(2), p.heads.scale, size, p.dqkv + in_keys);
  store_row(own.row(3), 1.0F, size, p.dqkv + in_keys + head.hidden);
}

template <class T>
void launch_plain(const AttendArgs& args, const Context& context) {
  const PlainParams<T> params{heads_params(args), args.qkv.as<T>(), args.out.as<T>(),
                              args.lse.as<float>()};
  simt::launch(attend_plain_kernel<T>, plain_launch(shape_of(args), kForwardRows, context.limits),
               context.stream, params);
}

template <class T>
void launch_plain_grad(const AttendGradArgs& args, const Context& context) {
  const AttendShape s = shape_of(args);
  const std::int64_t rows = s.batch * s.heads * s.tokens;
  context.scratch.begin(Scratch::bytes<float>(rows));
  const PlainGradParams<T> params{heads_params(args),
                                  args.qkv.as<T>(),
                                  args.out.as<T>(),
                                  args.dout.as<T>(),
                                  args.lse.as<float>(),
                                  args.dqkv.as<T>(),
                                  context.scratch.take<float>(rows)};
  simt::launch(grad_plain_queries<T>, plain_launch(s, kQueryRows, context.limits), context.stream,
               params);
  simt::launch(grad_plain_keys<T>, plain_launch(s, kKeyRows, context.limits), context.stream,
               params);
}

}  // namespace

void attend_plain(const AttendArgs& args, const Context& context) {
  if (args.qkv.dtype() == core::DType::f32) return launch_plain<float>(args, context);
  launch_plain<core::BFloat16>(args, context);
}

void attend_grad_plain(const AttendGradArgs& args, const Context& context) {
  if (args.qkv.dtype() == core::DType::f32) return launch_plain_grad<float>(args, context);
  launch_plain_grad<core::BFloat16>(args, context);
}

}  // namespace epi::kernels::cuda
