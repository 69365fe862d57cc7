// Attention, head by head: a tile of queries against all keys, so that scores never leave the
// cache.
//
// A task is one head of one sequence (forward: and 512 of its queries), fixed by shape. It packs
// the head's keys and values without gaps, which oneDNN multiplies up to three times as fast as
// columns of the packed qkv, and walks over tiles of queries. The gradient computes probabilities
// anew from the saved log-sum-exp (Dao et al., arXiv 2205.14135), with delta = sum_j p_j dp_j =
// dout . out.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/cpu/attend_loops.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kTaskQueries = 512;

const AttendLoops& loops() {
  return pick(base::attend_loops, v3::attend_loops, v4::attend_loops);
}

/// The shapes of one call; letters as in ops.hpp.
struct Heads {
  Heads(const ConstView& qkv, std::int32_t heads)
      : batch(qkv.shape(0)),
        tokens(qkv.shape(1)),
        hidden(qkv.shape(2) / 3),
        count(heads),
        size(hidden / heads),
        scale(1.0F / std::sqrt(static_cast<float>(size))),
        // Scores of a tile: 128 KiB at 512 tokens, 1 MiB at 8192. 64 rows were fastest of 32 to
        // 128.
        tile(std::min<std::int64_t>(tokens, tokens <= 2048 ? 64 : 32)) {}

  std::int64_t batch, tokens, hidden, count, size;
  float scale;
  std::int64_t tile;  ///< queries at once

  /// Rows of the tile that starts at `query` when queries end at `end`.
  [[nodiscard]] std::int64_t rows(std::int64_t query, std::int64_t end) const {
    return std::min(tile, end - query);
  }
  /// Distance of rows in qkv.
  [[nodiscard]] std::int64_t stride() const { return 3 * hidden; }
};

/// One head of one sequence.
struct Head {
  Head(const Heads& heads, std::int64_t task)
      : sample(task / heads.count), head(task % heads.count) {
    in_qkv = sample * heads.tokens * heads.stride() + head * heads.size;
    in_out = sample * heads.tokens * heads.hidden + head * heads.size;
    in_lse = task * heads.tokens;
  }
  std::int64_t sample, head;
  std::int64_t in_qkv = 0, in_out = 0, in_lse = 0;  ///< offsets of its first elements
};

ScoreTile score_tile(const Heads& heads, const Head& head, const ConstView& lengths,
                     std::int64_t query, std::int64_t rows) {
  return {.rows = rows,
          .keys = heads.tokens,
          .valid = lengths ? lengths.as<std::int32_t>()[head.sample] : heads.tokens,
          .first_element = (head.head * heads.tokens + query) * heads.tokens};
}

/// A product for full tiles [0] and for the last tile [1].
using TileKernels = std::array<const Gemm::Kernel*, 2>;

/// Compiles `shape(rows)` for both kinds of tile.
template <class Shape>
TileKernels compile(const Heads& heads, Gemm& gemm, const Shape& shape) {
  const std::int64_t rest = heads.tokens % heads.tile;
  return {&gemm.kernel(shape(heads.tile)), &gemm.kernel(shape(rest == 0 ? heads.tile : rest))};
}

const Gemm::Kernel& of_rows(const TileKernels& kernels, const Heads& heads, std::int64_t rows) {
  return *kernels[rows == heads.tile ? 0 : 1];
}

/// [rows, keys] = [rows, D] [D, keys], all without gaps.
TileKernels compile_scores(const Heads& h, Gemm& gemm) {
  return compile(h, gemm, [&](std::int64_t rows) {
    return GemmShape{
        .m = rows, .n = h.tokens, .k = h.size, .lda = h.size, .ldb = h.tokens, .ldc = h.tokens};
  });
}

/// [rows, D] = [rows, keys] [keys, D], the result `ldc` apart.
TileKernels compile_mix(const Heads& h, std::int64_t ldc, Gemm& gemm) {
  return compile(h, gemm, [&](std::int64_t rows) {
    return GemmShape{
        .m = rows, .n = h.size, .k = h.tokens, .lda = h.tokens, .ldb = h.size, .ldc = ldc};
  });
}

/// [keys, D] (=|+=) [rows, keys]^T [rows, D], the result in qkv.
TileKernels compile_spread(const Heads& h, Write write, Gemm& gemm) {
  return compile(h, gemm, [&](std::int64_t rows) {
    return GemmShape{.m = h.tokens,
                     .n = h.size,
                     .k = rows,
                     .a = Layout::transposed,
                     .lda = h.tokens,
                     .ldb = h.size,
                     .ldc = h.stride(),
                     .write = write};
  });
}

/// Hands out pieces of a thread's workspace, each on a cache line of its own.
class Pieces {
 public:
  explicit Pieces(float* memory) : memory_(memory) {}
  float* take(std::int64_t floats) {
    float* piece = memory_;
    memory_ += rounded(floats);
    return piece;
  }
  static std::int64_t rounded(std::int64_t floats) { return (floats + 15) / 16 * 16; }

 private:
  float* memory_;
};

struct ForwardMemory {
  ForwardMemory(const Heads& h, float* memory) {
    Pieces pieces(memory);
    keys = pieces.take(h.size * h.tokens);
    values = pieces.take(h.tokens * h.size);
    queries = pieces.take(h.tile * h.size);
    scores = pieces.take(h.tile * h.tokens);
    mixed = pieces.take(h.tile * h.size);
    sums = pieces.take(h.tile);
  }
  static std::int64_t floats(const Heads& h) {
    return 2 * Pieces::rounded(h.size * h.tokens) + 2 * Pieces::rounded(h.tile * h.size) +
           Pieces::rounded(h.tile * h.tokens) + Pieces::rounded(h.tile);
  }
  float *keys, *values, *queries, *scores, *mixed, *sums;  ///< keys transposed: [D, T]
};

struct BackwardMemory {
  BackwardMemory(const Heads& h, float* memory) {
    Pieces pieces(memory);
    keys_across = pieces.take(h.size * h.tokens);
    values_across = pieces.take(h.size * h.tokens);
    keys = pieces.take(h.tokens * h.size);
    queries = pieces.take(h.tile * h.size);
    dout = pieces.take(h.tile * h.size);
    scores = pieces.take(h.tile * h.tokens);
    dscores = pieces.take(h.tile * h.tokens);
    delta = pieces.take(h.tile);
  }
  static std::int64_t floats(const Heads& h) {
    return 3 * Pieces::rounded(h.size * h.tokens) + 2 * Pieces::rounded(h.tile * h.size) +
           2 * Pieces::rounded(h.tile * h.tokens) + Pieces::rounded(h.tile);
  }
  float *keys_across, *values_across, *keys, *queries, *dout, *scores, *dscores, *delta;
};

}  // namespace

void attend(const AttendArgs& args, Pool& pool, Gemm& gemm) {
  const Heads h(args.qkv, args.heads);
  const TileKernels to_scores = compile_scores(h, gemm);
  const TileKernels to_mixed = compile_mix(h, h.size, gemm);
  gemm.reserve(ForwardMemory::floats(h));
  const std::int64_t parts = (h.tokens + kTaskQueries - 1) / kTaskQueries;
  const auto* qkv = args.qkv.as<float>();
  auto* out = args.out.as<float>();
  auto* lse = args.lse.as<float>();
  pool.run(h.batch * h.count * parts, [&](std::int64_t task, int thread) {
    const Head head(h, task / parts);
    const ForwardMemory own(h, gemm.workspace(thread));
    const float* q = qkv + head.in_qkv;
    loops().transpose(q + h.hidden, h.stride(), h.tokens, h.size, own.keys);
    loops().pack(q + 2 * h.hidden, h.stride(), h.tokens, h.size, 1.0F, own.values);
    const DropoutKey dropout = dropout_key(args.dropout, args.state, head.sample);
    const std::int64_t first = task % parts * kTaskQueries;
    const std::int64_t end = std::min(first + kTaskQueries, h.tokens);
    for (std::int64_t query = first; query < end; query += h.tile) {
      const std::int64_t rows = h.rows(query, end);
      loops().pack(q + query * h.stride(), h.stride(), rows, h.size, h.scale, own.queries);
      gemm.multiply(of_rows(to_scores, h, rows), own.queries, own.keys, own.scores, thread);
      loops().softmax(score_tile(h, head, args.lengths, query, rows), dropout, own.scores, own.sums,
                      lse + head.in_lse + query);
      gemm.multiply(of_rows(to_mixed, h, rows), own.scores, own.values, own.mixed, thread);
      loops().divide_rows(own.mixed, own.sums, rows, h.size, out + head.in_out + query * h.hidden,
                          h.hidden);
    }
  });
}

void attend_grad(const AttendGradArgs& args, Pool& pool, Gemm& gemm) {
  const Heads h(args.qkv, args.heads);
  const TileKernels to_scores = compile_scores(h, gemm);
  const TileKernels to_dq = compile_mix(h, h.stride(), gemm);
  const TileKernels set_spread = compile_spread(h, Write::set, gemm);
  const TileKernels add_spread = compile_spread(h, Write::add, gemm);
  gemm.reserve(BackwardMemory::floats(h));
  const auto* qkv = args.qkv.as<float>();
  const auto* out = args.out.as<float>();
  const auto* dout = args.dout.as<float>();
  const auto* lse = args.lse.as<float>();
  auto* dqkv = args.dqkv.as<float>();
  pool.run(h.batch * h.count, [&](std::int64_t task, int thread) {
    const Head head(h, task);
    const BackwardMemory own(h, gemm.workspace(thread));
    const float* q = qkv + head.in_qkv;
    float* dq = dqkv + head.in_qkv;
    loops().transpose(q + h.hidden, h.stride(), h.tokens, h.size, own.keys_across);
    loops().transpose(q + 2 * h.hidden, h.stride(), h.tokens, h.size, own.values_across);
    // Scaled once here and once in the queries: dq = scale ds k, dk = ds^T (scale q).
    loops().pack(q + h.hidden, h.stride(), h.tokens, h.size, h.scale, own.keys);
    const DropoutKey dropout = dropout_key(args.dropout, args.state, head.sample);
    for (std::int64_t query = 0; query < h.tokens; query += h.tile) {
      const std::int64_t rows = h.rows(query, h.tokens);
      const std::int64_t at = head.in_out + query * h.hidden;
      loops().pack(q + query * h.stride(), h.stride(), rows, h.size, h.scale, own.queries);
      loops().pack(dout + at, h.hidden, rows, h.size, 1.0F, own.dout);
      loops().row_dots(dout + at, out + at, h.hidden, rows, h.size, own.delta);
      gemm.multiply(of_rows(to_scores, h, rows), own.queries, own.keys_across, own.scores, thread);
      gemm.multiply(of_rows(to_scores, h, rows), own.dout, own.values_across, own.dscores, thread);
      loops().softmax_grad(score_tile(h, head, args.lengths, query, rows), dropout,
                           lse + head.in_lse + query, own.delta, own.scores, own.dscores);
      const Gemm::Kernel& spread = of_rows(query == 0 ? set_spread : add_spread, h, rows);
      gemm.multiply(spread, own.scores, own.dout, dq + 2 * h.hidden, thread);
      gemm.multiply(spread, own.dscores, own.queries, dq + h.hidden, thread);
      gemm.multiply(of_rows(to_dq, h, rows), own.dscores, own.keys, dq + query * h.stride(),
                    thread);
    }
  });
}

}  // namespace epi::kernels::cpu
