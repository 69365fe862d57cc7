// What attention and its gradient share: the cut of heads into tiles of queries and blocks of keys,
// the small products, and their operands in a thread's workspace. Included by attend.cpp and
// attend_grad.cpp only.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/attend_loops.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"

namespace epi::kernels::cpu {

static_assert(kTileQueries == kColumnBlock);

// Scores of a tile and a block are 128 KiB; with its keys and values they stay in a 1 MiB L2. 256
// keys are 2 % slower, 128 keys 8 %.
inline constexpr std::int64_t kBlockKeys = 512;
inline constexpr std::int64_t kKeyStep = 32;  // what bf16 products pad depths to
// Few heads are cut into more tasks than they need, so that threads don't idle.
inline constexpr std::int64_t kWantedTasks = 24;
// From 2 MiB on, buffers lie on huge pages: 2 % faster, since L2 then holds all of a task.
inline constexpr std::int64_t kLeastWorkspace = 524288;  // floats

template <class T>
[[nodiscard]] const AttendLoops<T>& attend_loops() {
  const AttendTable& table = pick(base::attend_table, v3::attend_table, v4::attend_table);
  if constexpr (std::is_same_v<T, Bf16>) {
    return table.half;
  } else {
    return table.full;
  }
}

[[nodiscard]] constexpr std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

[[nodiscard]] constexpr std::int64_t pieces_of(std::int64_t count, std::int64_t piece) {
  return (count + piece - 1) / piece;
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
        tiles(pieces_of(tokens, kTileQueries)),
        scale(1.0F / std::sqrt(static_cast<float>(size))),
        type(qkv.dtype()) {
    set_blocks(pieces_of(tokens, kBlockKeys));
  }

  std::int64_t batch, tokens, hidden, count, size;
  std::int64_t depth;                 ///< size as products see it: padded with zeros
  std::int64_t tiles;                 ///< of queries
  std::int64_t blocks = 0, keys = 0;  ///< blocks of keys, and keys of each
  float scale;
  core::DType type;

  void set_blocks(std::int64_t wanted) {
    blocks = wanted;
    keys = rounded_up(pieces_of(tokens, wanted), kKeyStep);
  }
  /// Heads of all sequences.
  [[nodiscard]] std::int64_t all() const { return batch * count; }
  /// Pieces that each head should be cut into, at most `most`.
  [[nodiscard]] std::int64_t parts(std::int64_t most) const {
    return std::clamp<std::int64_t>(pieces_of(kWantedTasks, all()), 1, most);
  }
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
  /// Elements of an operand or result that lies across, [D, 64], from tile to tile.
  [[nodiscard]] std::int64_t across() const { return depth * kTileQueries; }
  /// Elements of a packed operand [64 queries, D], whose column blocks are 64 elements of D.
  [[nodiscard]] std::int64_t along() const { return kTileQueries * rounded_up(size, kColumnBlock); }
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

[[nodiscard]] inline ScoreTile score_tile(const Heads& heads, const Head& head, std::int64_t block,
                                          std::int64_t tile) {
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

/// A product of tiles: [keys, 64] = [keys, D] [D, 64]: scores, or gradients of probabilities.
[[nodiscard]] inline const Gemm::Kernel& compile_scores(const Heads& h, Gemm& gemm) {
  return gemm.kernel({.m = h.keys, .n = kTileQueries, .k = h.depth, .inputs = h.type});
}

/// [D, 64] (=|+=) [D, keys] [keys, 64]: values or keys, mixed for each query.
[[nodiscard]] inline const Gemm::Kernel& compile_mix(const Heads& h, Write write, Gemm& gemm) {
  return gemm.kernel(
      {.m = h.size, .n = kTileQueries, .k = h.keys, .write = write, .inputs = h.type});
}

/// [keys, D] (=|+=) [keys, 64] [64, D]: gradients of keys or values.
[[nodiscard]] inline const Gemm::Kernel& compile_spread(const Heads& h, Write write, Gemm& gemm) {
  return gemm.kernel(
      {.m = h.keys, .n = h.depth, .k = kTileQueries, .write = write, .inputs = h.type});
}

/// The right operand [D, 64] of queries that lie in rows of memory.
template <class T>
void pack_across(const Heads& h, const T* from, std::int64_t stride, std::int64_t queries, T* to) {
  pack_loops<T, T>().columns(from, stride, h.size, queries, to);
}

/// The right operand [64, D] of the same; queries that don't exist are zeros.
template <class T>
void pack_along(const Heads& h, const T* from, std::int64_t stride, std::int64_t queries, T* to) {
  if (queries < kTileQueries) std::fill_n(to, h.along(), T{});
  for (std::int64_t col = 0; col < h.size; col += kColumnBlock) {
    pack_loops<T, T>().rows(from + col, stride, queries, std::min(kColumnBlock, h.size - col),
                            to + col * kTileQueries);
  }
}

}  // namespace epi::kernels::cpu
