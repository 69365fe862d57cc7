// Attention, head by head: tiles of 64 queries against blocks of keys, so that scores never leave
// the cache.
//
// Scores are computed across: S^T = K Q^T, a row for each key. What softmax makes of them then
// needs no transposition: P^T is the right operand of out^T = V^T P^T. Blocks of keys are merged by
// their largest scores (Milakov and Gimelshein, arXiv 1805.02867).
//
// Keys beyond the last one and elements beyond the head's size are zeros in our own copies: one set
// of compiled products serves full and last tiles. Sums run over fixed tiles in fixed order.
#include <limits>

#include "kernels/cpu/attend_heads.hpp"

namespace epi::kernels::cpu {
namespace {

// A task reads its head's keys and values once: 3 % of its time with 512 queries.
constexpr std::int64_t kMostQueries = 512;
constexpr std::int64_t kFewestQueries = 128;

/// Tiles of a task.
std::int64_t tiles_of_task(const Heads& h) {
  const std::int64_t parts =
      std::max(pieces_of(h.tokens, kMostQueries), h.parts(pieces_of(h.tokens, kFewestQueries)));
  return pieces_of(h.tiles, parts);
}

/// Of one task: some tiles of a head.
template <class T>
struct ForwardMemory {
  ForwardMemory(const Heads& h, std::int64_t tiles, float* memory) {
    Pieces pieces(memory);
    pieces.take(keys, h.keys * h.depth);
    pieces.take(values, h.size * h.keys);
    pieces.take(queries, tiles * h.across());
    pieces.take(scores, h.keys * kTileQueries);
    pieces.take(mixed, tiles * h.across());
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
    gemm.reserve(std::max(kLeastWorkspace, ForwardMemory<T>(heads, tiles_, nullptr).floats));
  }

  [[nodiscard]] std::int64_t tasks() const { return h_.all() * parts_; }

  void run(std::int64_t task, int thread) const {
    const Head head(h_, args_, task / parts_);
    const ForwardMemory<T> own(h_, tiles_, gemm_.workspace(thread));
    const std::int64_t first = task % parts_ * tiles_;
    const std::int64_t tiles = std::min(tiles_, h_.tiles - first);
    const T* q = elements<T>(args_.qkv) + head.in_qkv;
    for (std::int64_t i = 0; i < tiles; ++i) {
      pack_across(h_, q + (first + i) * kTileQueries * h_.stride(), h_.stride(),
                  h_.queries(first + i), own.queries + i * h_.across());
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
  void take_block(const T* q, std::int64_t block, const ForwardMemory<T>& own) const {
    const std::int64_t rows = h_.rows(block, h_.tokens);
    const T* k = q + h_.hidden + block * h_.keys * h_.stride();
    attend_loops<T>().copy(k, h_.stride(), rows, h_.size, own.keys, h_.keys, h_.depth);
    transpose_loop<T>()(k + h_.hidden, h_.stride(), rows, h_.size, own.values, h_.keys, nullptr);
  }

  /// Scores of tile `i` with a block of keys, and what they add to its result.
  void mix(const Head& head, std::int64_t block, std::int64_t first, std::int64_t i,
           const ForwardMemory<T>& own, int thread) const {
    const ScoreTile tile = score_tile(h_, head, block, first + i);
    float* mixed = own.mixed + i * h_.across();
    T* weights = reinterpret_cast<T*>(own.scores);
    gemm_.multiply(to_scores_, own.keys, own.queries + i * h_.across(), own.scores, thread);
    attend_loops<T>().softmax(tile, head.dropout, own.scores, weights, state(own, i));
    if (block > 0) attend_loops<T>().fade(mixed, h_.size, own.fade);
    gemm_.multiply(block == 0 ? set_mixed_ : add_mixed_, own.values, weights, mixed, thread);
  }

  void finish(const Head& head, std::int64_t first, std::int64_t i,
              const ForwardMemory<T>& own) const {
    const ScoreTile tile = score_tile(h_, head, 0, first + i);
    const std::int64_t query = (first + i) * kTileQueries;
    attend_loops<T>().finish_softmax(tile, state(own, i),
                                     args_.lse.as<float>() + head.in_lse + query);
    attend_loops<T>().store_across(
        own.mixed + i * h_.across(), own.sums + i * kTileQueries, h_.size, tile.queries,
        elements<T>(args_.out) + head.in_out + query * h_.hidden, h_.hidden);
  }

  [[nodiscard]] SoftmaxState state(const ForwardMemory<T>& own, std::int64_t i) const {
    return {own.largest + i * kTileQueries, own.sums + i * kTileQueries, own.fade};
  }

  const AttendArgs& args_;
  const Heads& h_;
  Gemm& gemm_;
  const Gemm::Kernel &to_scores_, &set_mixed_, &add_mixed_;
  std::int64_t tiles_ = tiles_of_task(h_);  ///< of a task
  std::int64_t parts_ = pieces_of(h_.tiles, tiles_);
};

}  // namespace

void attend(const AttendArgs& args, Pool& pool, Gemm& gemm) {
  const Heads heads(args.qkv, args.heads);
  with_element(heads.type, [&](auto element) {
    const Forward<decltype(element)> forward(args, heads, gemm);
    pool.run(forward.tasks(), [&](std::int64_t task, int thread) { forward.run(task, thread); });
  });
}

}  // namespace epi::kernels::cpu
