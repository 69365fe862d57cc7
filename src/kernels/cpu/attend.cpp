// Attention, head by head: tiles of 64 queries against blocks of keys, so that scores never leave
// the cache.
//
// Scores are computed across: S^T = K Q^T, a row for each key. What softmax makes of them then
// needs no transposition: P^T is the right operand of out^T = V^T P^T and the left operand of dV +=
// P^T dout; dS^T likewise of dQ^T = K^T dS^T and dK += dS^T Q. Forward merges blocks of keys by
// their largest scores; the gradient computes probabilities anew from the saved log-sum-exp (Dao et
// al., arXiv 2205.14135), with delta = sum_j p_j dp_j = dout . out.
//
// Keys beyond the last one and elements beyond the head's size are zeros in our own copies: one set
// of compiled products serves full and last tiles. Sums run over fixed tiles in fixed order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/attend_loops.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"

namespace epi::kernels::cpu {
namespace {

static_assert(kTileQueries == kColumnBlock);

// Scores of a tile and a block are 128 KiB; with its keys and values they stay in a 1 MiB L2.
constexpr std::int64_t kBlockKeys = 512;
constexpr std::int64_t kTaskQueries = 512;
constexpr std::int64_t kKeyStep = 32;  // what bf16 products pad depths to

template <class T>
const AttendLoops<T>& loops() {
  const AttendTable& table = pick(base::attend_table, v3::attend_table, v4::attend_table);
  if constexpr (std::is_same_v<T, Bf16>) {
    return table.half;
  } else {
    return table.full;
  }
}

std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

/// The shapes of one call; letters as in ops.hpp.
struct Heads {
  Heads(const ConstView& qkv, std::int32_t heads)
      : batch(qkv.shape(0)),
        tokens(qkv.shape(1)),
        hidden(qkv.shape(2) / 3),
        count(heads),
        size(hidden / heads),
        depth(packed_depth(size, qkv.dtype())),
        blocks((tokens + kBlockKeys - 1) / kBlockKeys),
        keys(rounded_up((tokens + blocks - 1) / blocks, kKeyStep)),
        tiles((tokens + kTileQueries - 1) / kTileQueries),
        scale(1.0F / std::sqrt(static_cast<float>(size))),
        type(qkv.dtype()) {}

  std::int64_t batch, tokens, hidden, count, size;
  std::int64_t depth;         ///< size as products see it: padded with zeros
  std::int64_t blocks, keys;  ///< blocks of keys, and keys of each
  std::int64_t tiles;         ///< of queries
  float scale;
  core::DType type;

  /// Distance of rows in qkv.
  [[nodiscard]] std::int64_t stride() const { return 3 * hidden; }
  /// Queries of tile `tile` that exist.
  [[nodiscard]] std::int64_t queries(std::int64_t tile) const {
    return std::min(kTileQueries, tokens - tile * kTileQueries);
  }
  /// Rows of block `block` among the first `limit` keys; may be 0.
  [[nodiscard]] std::int64_t rows(std::int64_t block, std::int64_t limit) const {
    return std::clamp<std::int64_t>(limit - block * keys, 0, keys);
  }
  /// Elements of a packed operand [64 queries, D], whose column blocks are 64 elements of D.
  [[nodiscard]] std::int64_t packed_tile() const {
    return kTileQueries * rounded_up(size, kColumnBlock);
  }
};

/// One head of one sequence.
struct Head {
  template <class Args>
  Head(const Heads& heads, const Args& args, std::int64_t task)
      : sample(task / heads.count),
        head(task % heads.count),
        in_qkv(sample * heads.tokens * heads.stride() + head * heads.size),
        in_out(sample * heads.tokens * heads.hidden + head * heads.size),
        in_lse(task * heads.tokens),
        valid(args.lengths ? args.lengths.template as<std::int32_t>()[sample] : heads.tokens),
        dropout(dropout_key(args.dropout, args.state, sample)) {}

  std::int64_t sample, head;
  std::int64_t in_qkv, in_out, in_lse;  ///< offsets of its first elements
  std::int64_t valid;                   ///< keys that count
  DropoutKey dropout;
};

ScoreTile score_tile(const Heads& heads, const Head& head, std::int64_t block, std::int64_t tile) {
  const std::int64_t row = head.head * heads.tokens + tile * kTileQueries;
  return {.rows = heads.keys,
          .valid = heads.rows(block, head.valid),
          .queries = heads.queries(tile),
          .tokens = heads.tokens,
          .first_element = row * heads.tokens + block * heads.keys,
          .scale = heads.scale};
}

/// Hands out pieces of a thread's workspace, each on a cache line of its own. From null it only
/// adds up.
class Pieces {
 public:
  explicit Pieces(float* memory) : memory_(memory) {}
  template <class T>
  void take(T*& piece, std::int64_t count) {
    piece = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + floats_);
    floats_ += rounded_up(count * static_cast<std::int64_t>(sizeof(T)), 64) /
               static_cast<std::int64_t>(sizeof(float));
  }
  [[nodiscard]] std::int64_t floats() const { return floats_; }

 private:
  float* memory_;
  std::int64_t floats_ = 0;
};

// --- products

/// [keys, 64] = [keys, D] [D, 64]: scores, or gradients of probabilities.
const Gemm::Kernel& compile_scores(const Heads& h, Gemm& gemm) {
  return gemm.kernel({.m = h.keys,
                      .n = kTileQueries,
                      .k = h.depth,
                      .b = Layout::packed,
                      .lda = h.depth,
                      .ldc = kTileQueries,
                      .inputs = h.type});
}

/// [D, 64] (=|+=) [D, keys] [keys, 64]: values or keys, mixed for each query.
const Gemm::Kernel& compile_mix(const Heads& h, Write write, Gemm& gemm) {
  return gemm.kernel({.m = h.size,
                      .n = kTileQueries,
                      .k = h.keys,
                      .b = Layout::packed,
                      .lda = h.keys,
                      .ldc = kTileQueries,
                      .write = write,
                      .inputs = h.type});
}

/// [keys, D] (=|+=) [keys, 64] [64, D]: gradients of keys or values.
const Gemm::Kernel& compile_spread(const Heads& h, Write write, Gemm& gemm) {
  return gemm.kernel({.m = h.keys,
                      .n = h.depth,
                      .k = kTileQueries,
                      .b = Layout::packed,
                      .lda = kTileQueries,
                      .ldc = h.depth,
                      .write = write,
                      .inputs = h.type});
}

/// The right operand [D, 64] of queries that lie in rows of memory.
template <class T>
void pack_across(const Heads& h, const T* from, std::int64_t stride, std::int64_t queries, T* to) {
  pack_loops<T, T>().columns(from, stride, h.size, queries, to);
}

/// The right operand [64, D] of the same; queries that don't exist are zeros.
template <class T>
void pack_along(const Heads& h, const T* from, std::int64_t stride, std::int64_t queries, T* to) {
  if (queries < kTileQueries) std::fill_n(to, h.packed_tile(), T{});
  for (std::int64_t col = 0; col < h.size; col += kColumnBlock) {
    pack_loops<T, T>().rows(from + col, stride, queries, std::min(kColumnBlock, h.size - col),
                            to + col * kTileQueries);
  }
}

// --- forward

/// Of one task: at most 512 queries of a head.
template <class T>
struct ForwardMemory {
  ForwardMemory(const Heads& h, float* memory) {
    const std::int64_t tiles = std::min(h.tiles, kTaskQueries / kTileQueries);
    Pieces pieces(memory);
    pieces.take(keys, h.keys * h.depth);
    pieces.take(values, h.size * h.keys);
    pieces.take(queries, tiles * h.depth * kTileQueries);
    pieces.take(scores, h.keys * kTileQueries);
    pieces.take(mixed, tiles * h.size * kTileQueries);
    pieces.take(largest, tiles * kTileQueries);
    pieces.take(sums, tiles * kTileQueries);
    pieces.take(fade, kTileQueries);
    floats = pieces.floats();
  }
  T* keys;                                        ///< a block [keys, D]
  T* values;                                      ///< across: [D, keys]
  T* queries;                                     ///< packed [D, 64] of each tile
  float *scores, *mixed, *largest, *sums, *fade;  ///< mixed: [D, 64] of each tile
  std::int64_t floats = 0;
};

template <class T>
class Forward {
 public:
  Forward(const AttendArgs& args, const Heads& heads, Gemm& gemm)
      : args_(args),
        h_(heads),
        gemm_(gemm),
        to_scores_(compile_scores(heads, gemm)),
        set_mixed_(compile_mix(heads, Write::set, gemm)),
        add_mixed_(compile_mix(heads, Write::add, gemm)) {
    gemm.reserve(ForwardMemory<T>(heads, nullptr).floats);
  }

  [[nodiscard]] std::int64_t tasks() const { return h_.batch * h_.count * parts_; }

  void run(std::int64_t task, int thread) const {
    const Head head(h_, args_, task / parts_);
    const ForwardMemory<T> own(h_, gemm_.workspace(thread));
    const std::int64_t first = task % parts_ * kTiles;
    const std::int64_t tiles = std::min(kTiles, h_.tiles - first);
    const T* q = elements<T>(args_.qkv) + head.in_qkv;
    for (std::int64_t i = 0; i < tiles; ++i) {
      pack_across(h_, q + (first + i) * kTileQueries * h_.stride(), h_.stride(),
                  h_.queries(first + i), own.queries + i * h_.depth * kTileQueries);
    }
    std::fill_n(own.largest, tiles * kTileQueries, -std::numeric_limits<float>::infinity());
    std::fill_n(own.sums, tiles * kTileQueries, 0.0F);
    for (std::int64_t block = 0; h_.rows(block, head.valid) > 0; ++block) {
      take_block(q, block, own);
      for (std::int64_t i = 0; i < tiles; ++i) mix(head, block, first, i, own, thread);
    }
    for (std::int64_t i = 0; i < tiles; ++i) finish(head, first, i, own);
  }

 private:
  static constexpr std::int64_t kTiles = kTaskQueries / kTileQueries;

  void take_block(const T* q, std::int64_t block, const ForwardMemory<T>& own) const {
    const std::int64_t rows = h_.rows(block, h_.tokens);
    const T* k = q + h_.hidden + block * h_.keys * h_.stride();
    loops<T>().copy(k, h_.stride(), rows, h_.size, own.keys, h_.keys, h_.depth);
    transpose_loop<T>()(k + h_.hidden, h_.stride(), rows, h_.size, own.values, h_.keys, nullptr);
  }

  /// Scores of tile `i` with a block of keys, and what they add to its result.
  void mix(const Head& head, std::int64_t block, std::int64_t first, std::int64_t i,
           const ForwardMemory<T>& own, int thread) const {
    const ScoreTile tile = score_tile(h_, head, block, first + i);
    float* mixed = own.mixed + i * h_.size * kTileQueries;
    T* weights = reinterpret_cast<T*>(own.scores);
    gemm_.multiply(to_scores_, own.keys, own.queries + i * h_.depth * kTileQueries, own.scores,
                   thread);
    loops<T>().softmax(tile, head.dropout, own.scores, weights, state(own, i));
    if (block > 0) loops<T>().fade(mixed, h_.size, own.fade);
    gemm_.multiply(block == 0 ? set_mixed_ : add_mixed_, own.values, weights, mixed, thread);
  }

  void finish(const Head& head, std::int64_t first, std::int64_t i,
              const ForwardMemory<T>& own) const {
    const ScoreTile tile = score_tile(h_, head, 0, first + i);
    const std::int64_t query = (first + i) * kTileQueries;
    loops<T>().finish_softmax(tile, state(own, i), args_.lse.as<float>() + head.in_lse + query);
    loops<T>().store_across(own.mixed + i * h_.size * kTileQueries, own.sums + i * kTileQueries,
                            h_.size, tile.queries,
                            elements<T>(args_.out) + head.in_out + query * h_.hidden, h_.hidden);
  }

  [[nodiscard]] SoftmaxState state(const ForwardMemory<T>& own, std::int64_t i) const {
    return {own.largest + i * kTileQueries, own.sums + i * kTileQueries, own.fade};
  }

  const AttendArgs& args_;
  const Heads& h_;
  Gemm& gemm_;
  const Gemm::Kernel &to_scores_, &set_mixed_, &add_mixed_;
  std::int64_t parts_ = (h_.tiles + kTiles - 1) / kTiles;
};

// --- gradient

/// Of one task: a head.
template <class T>
struct BackwardMemory {
  BackwardMemory(const Heads& h, float* memory) {
    Pieces pieces(memory);
    pieces.take(keys, h.keys * h.depth);
    pieces.take(values, h.keys * h.depth);
    pieces.take(keys_across, h.size * h.keys);
    pieces.take(queries_across, h.depth * kTileQueries);
    pieces.take(dout_across, h.depth * kTileQueries);
    pieces.take(queries, h.packed_tile());
    pieces.take(dout, h.packed_tile());
    pieces.take(scores, h.keys * kTileQueries);
    pieces.take(dweights, h.keys * kTileQueries);
    // Of float, one memory is both kinds of operand.
    pieces.take(dscores, std::is_same_v<T, float> ? 0 : h.keys * kTileQueries);
    pieces.take(dkeys, h.keys * h.depth);
    pieces.take(dvalues, h.keys * h.depth);
    pieces.take(dqueries, h.tiles * h.size * kTileQueries);
    pieces.take(delta, h.tiles * kTileQueries);
    pieces.take(scales, kTileQueries);
    floats = pieces.floats();
  }
  T *keys, *values, *keys_across;   ///< a block: [keys, D], [keys, D], [D, keys]
  T *queries_across, *dout_across;  ///< a tile, packed [D, 64]
  T *queries, *dout;                ///< a tile, packed [64, D]
  float *scores, *dweights;         ///< [keys, 64]
  T* dscores;                       ///< [keys, 64]
  float *dkeys, *dvalues;           ///< sums over tiles: [keys, D]
  float* dqueries;                  ///< sums over blocks: [D, 64] of each tile
  float *delta, *scales;
  std::int64_t floats = 0;
};

template <class T>
class Backward {
 public:
  Backward(const AttendGradArgs& args, const Heads& heads, Gemm& gemm)
      : args_(args),
        h_(heads),
        gemm_(gemm),
        to_scores_(compile_scores(heads, gemm)),
        set_mixed_(compile_mix(heads, Write::set, gemm)),
        add_mixed_(compile_mix(heads, Write::add, gemm)),
        set_spread_(compile_spread(heads, Write::set, gemm)),
        add_spread_(compile_spread(heads, Write::add, gemm)) {
    gemm.reserve(BackwardMemory<T>(heads, nullptr).floats);
  }

  [[nodiscard]] std::int64_t tasks() const { return h_.batch * h_.count; }

  void run(std::int64_t task, int thread) const {
    const Head head(h_, args_, task);
    const BackwardMemory<T> own(h_, gemm_.workspace(thread));
    loops<T>().row_dots(elements<T>(args_.dout) + head.in_out, elements<T>(args_.out) + head.in_out,
                        h_.hidden, h_.tokens, h_.size, own.delta);
    for (std::int64_t block = 0; block < h_.blocks; ++block) {
      if (h_.rows(block, head.valid) > 0) {
        take_block(head, block, own);
        for (std::int64_t tile = 0; tile < h_.tiles; ++tile) spread(head, block, tile, own, thread);
      } else {
        std::fill_n(own.dkeys, h_.keys * h_.depth, 0.0F);
        std::fill_n(own.dvalues, h_.keys * h_.depth, 0.0F);
      }
      finish_block(head, block, own);
    }
    std::fill_n(own.scales, kTileQueries, h_.scale);
    for (std::int64_t tile = 0; tile < h_.tiles; ++tile) {
      loops<T>().store_across(
          own.dqueries + tile * h_.size * kTileQueries, own.scales, h_.size, h_.queries(tile),
          elements<T>(args_.dqkv) + head.in_qkv + tile * kTileQueries * h_.stride(), h_.stride());
    }
  }

 private:
  void take_block(const Head& head, std::int64_t block, const BackwardMemory<T>& own) const {
    const std::int64_t rows = h_.rows(block, h_.tokens);
    const T* k = elements<T>(args_.qkv) + head.in_qkv + h_.hidden + block * h_.keys * h_.stride();
    loops<T>().copy(k, h_.stride(), rows, h_.size, own.keys, h_.keys, h_.depth);
    loops<T>().copy(k + h_.hidden, h_.stride(), rows, h_.size, own.values, h_.keys, h_.depth);
    transpose_loop<T>()(k, h_.stride(), rows, h_.size, own.keys_across, h_.keys, nullptr);
  }

  void take_tile(const Head& head, std::int64_t tile, const BackwardMemory<T>& own) const {
    const std::int64_t query = tile * kTileQueries;
    const T* q = elements<T>(args_.qkv) + head.in_qkv + query * h_.stride();
    const T* dout = elements<T>(args_.dout) + head.in_out + query * h_.hidden;
    pack_across(h_, q, h_.stride(), h_.queries(tile), own.queries_across);
    pack_across(h_, dout, h_.hidden, h_.queries(tile), own.dout_across);
    pack_along(h_, q, h_.stride(), h_.queries(tile), own.queries);
    pack_along(h_, dout, h_.hidden, h_.queries(tile), own.dout);
  }

  /// What a tile of queries and a block of keys add to each other's gradients.
  void spread(const Head& head, std::int64_t block, std::int64_t tile, const BackwardMemory<T>& own,
              int thread) const {
    take_tile(head, tile, own);
    gemm_.multiply(to_scores_, own.keys, own.queries_across, own.scores, thread);
    gemm_.multiply(to_scores_, own.values, own.dout_across, own.dweights, thread);
    T* weights = reinterpret_cast<T*>(own.scores);
    T* packed = reinterpret_cast<T*>(own.dweights);
    T* dscores = std::is_same_v<T, float> ? packed : own.dscores;
    const std::int64_t query = tile * kTileQueries;
    loops<T>().softmax_grad(score_tile(h_, head, block, tile), head.dropout,
                            args_.lse.as<float>() + head.in_lse + query, own.delta + query,
                            own.scores, own.dweights, weights, dscores, packed);
    const Gemm::Kernel& to_keys = tile == 0 ? set_spread_ : add_spread_;
    gemm_.multiply(to_keys, weights, own.dout, own.dvalues, thread);
    gemm_.multiply(to_keys, dscores, own.queries, own.dkeys, thread);
    gemm_.multiply(block == 0 ? set_mixed_ : add_mixed_, own.keys_across, packed,
                   own.dqueries + tile * h_.size * kTileQueries, thread);
  }

  void finish_block(const Head& head, std::int64_t block, const BackwardMemory<T>& own) const {
    const std::int64_t rows = h_.rows(block, h_.tokens);
    T* dk = elements<T>(args_.dqkv) + head.in_qkv + h_.hidden + block * h_.keys * h_.stride();
    loops<T>().store_rows(own.dkeys, h_.depth, h_.scale, rows, h_.size, dk, h_.stride());
    loops<T>().store_rows(own.dvalues, h_.depth, 1.0F, rows, h_.size, dk + h_.hidden, h_.stride());
  }

  const AttendGradArgs& args_;
  const Heads& h_;
  Gemm& gemm_;
  const Gemm::Kernel &to_scores_, &set_mixed_, &add_mixed_, &set_spread_, &add_spread_;
};

}  // namespace

void attend(const AttendArgs& args, Pool& pool, Gemm& gemm) {
  const Heads heads(args.qkv, args.heads);
  with_element(heads.type, [&](auto element) {
    const Forward<decltype(element)> forward(args, heads, gemm);
    pool.run(forward.tasks(), [&](std::int64_t task, int thread) { forward.run(task, thread); });
  });
}

void attend_grad(const AttendGradArgs& args, Pool& pool, Gemm& gemm) {
  const Heads heads(args.qkv, args.heads);
  with_element(heads.type, [&](auto element) {
    const Backward<decltype(element)> backward(args, heads, gemm);
    pool.run(backward.tasks(), [&](std::int64_t task, int thread) { backward.run(task, thread); });
  });
}

}  // namespace epi::kernels::cpu
