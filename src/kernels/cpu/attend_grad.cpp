// The gradient of attention, head by head and tile by tile as in attend.cpp, exact: probabilities
// are computed anew from the saved log-sum-exp (Dao et al., arXiv 2205.14135), with
// delta = sum_j p_j dp_j = dout . out.
//
// Scores lie across, S^T = K Q^T, so that P^T is the left operand of dV += P^T dout, and dS^T both
// the left operand of dK += dS^T Q and the right operand of dQ^T = K^T dS^T: nothing as large as
// scores is transposed. Gradients add up in f32 and are rounded once. Few heads are cut into parts
// of their keys; the parts' dQ are then added in order.
#include <array>

#include "kernels/cpu/attend_heads.hpp"
#include "kernels/cpu/cut.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kFewestKeys = 256;  // of a part

/// Of one task: a part of a head.
template <class T>
struct BackwardMemory {
  BackwardMemory(const Heads& h, float* memory) {
    Pieces pieces(memory);
    pieces.take(keys, h.keys * h.depth);
    pieces.take(values, h.keys * h.depth);
    pieces.take(keys_across, h.size * h.keys);
    pieces.take(queries_across, h.across());
    pieces.take(dout_across, h.across());
    pieces.take(queries, h.along());
    pieces.take(dout, h.along());
    pieces.take(scores, h.keys * kTileQueries);
    pieces.take(dweights, h.keys * kTileQueries);
    // Of float, one memory is both kinds of operand.
    pieces.take(dscores, std::is_same_v<T, float> ? 0 : h.keys * kTileQueries);
    pieces.take(dkeys, h.keys * h.depth);
    pieces.take(dvalues, h.keys * h.depth);
    pieces.take(dqueries, h.tiles * h.across());
    pieces.take(delta, kTileQueries);
    floats = pieces.floats();
  }
  T *keys, *values, *keys_across;   ///< a block: [keys, D], [keys, D], [D, keys]
  T *queries_across, *dout_across;  ///< a tile, packed [D, 64]
  T *queries, *dout;                ///< a tile, packed [64, D]
  float *scores, *dweights;         ///< [keys, 64]
  T* dscores;                       ///< [keys, 64]
  float *dkeys, *dvalues;           ///< sums over tiles: [keys, D]
  float* dqueries;                  ///< sums over blocks: [D, 64] of each tile
  float* delta;
  std::int64_t floats = 0;
};

template <class T>
class Backward {
 public:
  Backward(const AttendGradArgs& args, const Heads& heads, std::int64_t parts, Pool& pool,
           Gemm& gemm)
      : args_(args),
        h_(heads),
        gemm_(gemm),
        parts_(parts),
        to_scores_(compile_scores(heads, gemm)),
        set_mixed_(compile_mix(heads, Write::set, gemm)),
        add_mixed_(compile_mix(heads, Write::add, gemm)),
        set_spread_(compile_spread(heads, Write::set, gemm)),
        add_spread_(compile_spread(heads, Write::add, gemm)) {
    gemm.reserve(std::max(kLeastWorkspace, BackwardMemory<T>(heads, nullptr).floats));
    scales_.fill(heads.scale);
    if (parts == 1) return;
    const std::int64_t count = tasks() * heads.tiles * heads.across();
    partial_ = Scratch(pool, Scratch::bytes<float>(count)).template take<float>(count);
  }

  /// Parts of heads.
  [[nodiscard]] std::int64_t tasks() const { return h_.all() * parts_; }
  /// Tiles whose parts are to be added up afterwards.
  [[nodiscard]] std::int64_t merges() const { return parts_ == 1 ? 0 : h_.all() * h_.tiles; }

  void run(std::int64_t task, int thread) const {
    const Head head(h_, args_, task / parts_);
    BackwardMemory<T> own(h_, gemm_.workspace(thread));
    if (parts_ > 1) own.dqueries = partial_ + task * h_.tiles * h_.across();
    const std::int64_t first = task % parts_ * part_blocks();
    for (std::int64_t block = first; block < first + part_blocks(); ++block) {
      if (h_.rows(block, head.valid) > 0) {
        take_block(head, block, own);
        const Write write = block == first ? Write::set : Write::add;
        for (std::int64_t tile = 0; tile < h_.tiles; ++tile) {
          spread(head, block, tile, write, own, thread);
        }
      } else {  // no key of this block counts
        std::fill_n(own.dkeys, h_.keys * h_.depth, 0.0F);
        std::fill_n(own.dvalues, h_.keys * h_.depth, 0.0F);
      }
      finish_block(head, block, own);
    }
    if (parts_ > 1) return;
    for (std::int64_t tile = 0; tile < h_.tiles; ++tile) {
      finish_tile(head, tile, own.dqueries + tile * h_.across());
    }
  }

  /// Adds up the parts of one tile's dQ, in order.
  void merge(std::int64_t task) const {
    const Head head(h_, args_, task / h_.tiles);
    const std::int64_t tile = task % h_.tiles;
    float* sum = partial_ + (task / h_.tiles * parts_ * h_.tiles + tile) * h_.across();
    const float* next = sum;
    for (std::int64_t part = 1; h_.rows(part * part_blocks(), head.valid) > 0; ++part) {
      next += h_.tiles * h_.across();
      attend_loops<T>().add(next, h_.across(), sum);
    }
    finish_tile(head, tile, sum);
  }

 private:
  void take_block(const Head& head, std::int64_t block, const BackwardMemory<T>& own) const {
    const std::int64_t rows = h_.rows(block, h_.tokens);
    const T* k = elements<T>(args_.qkv) + head.in_qkv + h_.hidden + block * h_.keys * h_.stride();
    attend_loops<T>().copy(k, h_.stride(), rows, h_.size, own.keys, h_.keys, h_.depth);
    attend_loops<T>().copy(k + h_.hidden, h_.stride(), rows, h_.size, own.values, h_.keys,
                           h_.depth);
    transpose_loop<T>()(k, h_.stride(), rows, h_.size, own.keys_across, h_.keys, nullptr);
  }

  void take_tile(const Head& head, std::int64_t tile, const BackwardMemory<T>& own) const {
    const std::int64_t query = tile * kTileQueries;
    const std::int64_t count = h_.queries(tile);
    const T* q = elements<T>(args_.qkv) + head.in_qkv + query * h_.stride();
    const T* dout = elements<T>(args_.dout) + head.in_out + query * h_.hidden;
    const T* out = elements<T>(args_.out) + head.in_out + query * h_.hidden;
    pack_across(h_, q, h_.stride(), count, own.queries_across);
    pack_across(h_, dout, h_.hidden, count, own.dout_across);
    pack_along(h_, q, h_.stride(), count, own.queries);
    pack_along(h_, dout, h_.hidden, count, own.dout);
    attend_loops<T>().row_dots(dout, out, h_.hidden, count, h_.size, own.delta);
  }

  /// What a tile of queries and a block of keys add to each other's gradients.
  void spread(const Head& head, std::int64_t block, std::int64_t tile, Write write,
              const BackwardMemory<T>& own, int thread) const {
    take_tile(head, tile, own);
    gemm_.multiply(to_scores_, own.keys, own.queries_across, own.scores, thread);
    gemm_.multiply(to_scores_, own.values, own.dout_across, own.dweights, thread);
    T* weights = reinterpret_cast<T*>(own.scores);
    T* packed = reinterpret_cast<T*>(own.dweights);
    T* dscores = std::is_same_v<T, float> ? packed : own.dscores;
    const std::int64_t query = tile * kTileQueries;
    attend_loops<T>().softmax_grad(score_tile(h_, head, block, tile), head.dropout,
                                   args_.lse.as<float>() + head.in_lse + query, own.delta,
                                   own.scores, own.dweights, weights, dscores, packed);
    const Gemm::Kernel& to_keys = tile == 0 ? set_spread_ : add_spread_;
    gemm_.multiply(to_keys, weights, own.dout, own.dvalues, thread);
    gemm_.multiply(to_keys, dscores, own.queries, own.dkeys, thread);
    gemm_.multiply(write == Write::set ? set_mixed_ : add_mixed_, own.keys_across, packed,
                   own.dqueries + tile * h_.across(), thread);
  }

  void finish_tile(const Head& head, std::int64_t tile, const float* dqueries) const {
    T* dq = elements<T>(args_.dqkv) + head.in_qkv + tile * kTileQueries * h_.stride();
    attend_loops<T>().store_across(dqueries, scales_.data(), h_.size, h_.queries(tile), dq,
                                   h_.stride());
  }

  void finish_block(const Head& head, std::int64_t block, const BackwardMemory<T>& own) const {
    const std::int64_t rows = h_.rows(block, h_.tokens);
    T* dk = elements<T>(args_.dqkv) + head.in_qkv + h_.hidden + block * h_.keys * h_.stride();
    attend_loops<T>().store_rows(own.dkeys, h_.depth, h_.scale, rows, h_.size, dk, h_.stride());
    attend_loops<T>().store_rows(own.dvalues, h_.depth, 1.0F, rows, h_.size, dk + h_.hidden,
                                 h_.stride());
  }

  /// Blocks of keys in a part.
  [[nodiscard]] std::int64_t part_blocks() const { return h_.blocks / parts_; }

  const AttendGradArgs& args_;
  const Heads& h_;
  Gemm& gemm_;
  std::int64_t parts_;                      ///< of each head's keys
  float* partial_ = nullptr;                ///< dQ of each part: [D, 64] of each tile
  std::array<float, kTileQueries> scales_;  ///< each is 1 / sqrt(D)
  const Gemm::Kernel &to_scores_, &set_mixed_, &add_mixed_, &set_spread_, &add_spread_;
};

}  // namespace

void attend_grad(const AttendGradArgs& args, Pool& pool, Gemm& gemm) {
  Heads heads(args.qkv, args.heads);
  const std::int64_t parts = heads.parts(pieces_of(heads.tokens, kFewestKeys));
  heads.set_blocks(parts * pieces_of(heads.tokens, parts * kBlockKeys));
  with_element(heads.type, [&](auto element) {
    const Backward<decltype(element)> backward(args, heads, parts, pool, gemm);
    pool.run(backward.tasks(), [&](std::int64_t task, int thread) { backward.run(task, thread); });
    pool.run(backward.merges(), [&](std::int64_t task, int) { backward.merge(task); });
  });
}

}  // namespace epi::kernels::cpu
