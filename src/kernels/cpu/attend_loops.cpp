// Compiled once per instruction set; see isa.hpp for what may be included.
//
// Two rows (keys) at a time, because bfloat16 right operands interleave them.
#include "kernels/cpu/attend_loops.hpp"

#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_dropout.hpp"
#include "kernels/cpu/vec_transpose.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

constexpr std::int64_t kWide = kTileQueries;
constexpr std::int64_t kVecs = kWide / kLanes;
constexpr std::int64_t kStripe = 64;  // keys whose dropout factors are drawn at once
constexpr std::int64_t kAhead = 16;   // rows
constexpr float kLog2E = 1.44269504F;

template <class T>
void copy_row(const T* from, std::int64_t cols, T* to, std::int64_t ld) {
  constexpr auto kLine = static_cast<std::int64_t>(64 / sizeof(T));
  std::int64_t col = 0;
  for (; col + kLine <= cols; col += kLine) __builtin_memcpy(to + col, from + col, 64);
  for (; col < cols; ++col) to[col] = from[col];
  for (; col < ld; ++col) to[col] = T{};
}

template <class T>
void copy(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t cols, T* to,
          std::int64_t to_rows, std::int64_t ld) {
  for (std::int64_t row = 0; row < rows; ++row) {
    copy_row(from + row * stride, cols, to + row * ld, ld);
  }
  for (std::int64_t at = rows * ld; at < to_rows * ld; ++at) to[at] = T{};
}

/// Rows `row` and `row + 1` of a packed right operand, sixteen columns from `col` on.
EPI_INLINE void put_packed(float* to, std::int64_t row, std::int64_t col, Vec low, Vec high) {
  store(to + row * kWide + col, low);
  store(to + (row + 1) * kWide + col, high);
}
EPI_INLINE void put_packed(Bf16* to, std::int64_t row, std::int64_t col, Vec low, Vec high) {
  store(reinterpret_cast<float*>(to + row * kWide) + col, interleave(low, high));
}

/// The same of a matrix without gaps.
template <class T>
EPI_INLINE void put_plain(T* to, std::int64_t row, std::int64_t col, Vec low, Vec high) {
  store(to + row * kWide + col, low);
  store(to + (row + 1) * kWide + col, high);
}

template <class T>
void zero_rows(T* to, std::int64_t first, std::int64_t last) {
  for (std::int64_t at = first * kWide; at < last * kWide; ++at) to[at] = T{};
}

/// Dropout factors of a stripe of keys, laid out as the tile: drawn along keys, sixteen queries at
/// a time, and turned.
void draw_stripe(const ScoreTile& tile, const DropoutKey& key, std::int64_t first_row,
                 float* factors) {
  float drawn[kLanes][kStripe];
  for (std::int64_t col = 0; col < tile.queries; col += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const std::int64_t element = tile.first_element + (col + lane) * tile.tokens + first_row;
      dropout_factors(key, element, kStripe, drawn[lane]);
    }
    for (std::int64_t half = 0; half < kStripe; half += kLanes) {
      Vec a[kLanes];
      for (std::int64_t lane = 0; lane < kLanes; ++lane) a[lane] = load(drawn[lane] + half);
      transpose_lanes(a);
      for (std::int64_t lane = 0; lane < kLanes; ++lane) {
        store(factors + (half + lane) * kWide + col, a[lane]);
      }
    }
  }
}

/// Calls pair(row, both, factors) for each two rows that count; `both` is false, a constant to the
/// compiler, where only the first does. `factors` are those of the pair's first row, or null.
template <class Pair>
EPI_INLINE void walk_pairs(const ScoreTile& tile, const DropoutKey& dropout, const Pair& pair) {
  alignas(64) float factors[kStripe * kWide] = {};
  const bool drops = dropout.probability > 0.0F;
  for (std::int64_t first = 0; first < tile.valid; first += kStripe) {
    const std::int64_t end = at_most(first + kStripe, tile.valid);
    if (drops) draw_stripe(tile, dropout, first, factors);
    std::int64_t row = first;
    if (!drops) {
      for (; row + 2 <= end; row += 2) pair(row, true, static_cast<const float*>(nullptr));
      if (row < end) pair(row, false, static_cast<const float*>(nullptr));
      continue;
    }
    for (; row + 2 <= end; row += 2) pair(row, true, factors + (row - first) * kWide);
    if (row < end) pair(row, false, factors + (row - first) * kWide);
  }
}

/// Per lane, over the rows that count; `best` comes in with what went before.
EPI_INLINE void find_largest(const ScoreTile& tile, const float* scores, Vec* best) {
  for (std::int64_t row = 0; row < tile.valid; ++row) {
    for (std::int64_t v = 0; v < kVecs; ++v) {
      best[v] = maximum(best[v], load(scores + row * kWide + v * kLanes));
    }
  }
}

template <class T>
void softmax(const ScoreTile& tile, const DropoutKey& dropout, const float* scores, T* to,
             const SoftmaxState& state) {
  const Vec to_log2 = splat(tile.scale * kLog2E);
  Vec best[kVecs], shift[kVecs], total[kVecs];
  for (std::int64_t v = 0; v < kVecs; ++v) best[v] = load(state.largest + v * kLanes);
  find_largest(tile, scores, best);
  for (std::int64_t v = 0; v < kVecs; ++v) {
    const Vec fade = exp2_nonpositive((load(state.largest + v * kLanes) - best[v]) * to_log2);
    total[v] = load(state.sums + v * kLanes) * fade;
    shift[v] = best[v] * to_log2;
    store(state.fade + v * kLanes, fade);
    store(state.largest + v * kLanes, best[v]);
  }
  walk_pairs(
      tile, dropout,
      [&](std::int64_t row, bool both, const float* factors) __attribute__((always_inline)) {
        for (std::int64_t v = 0; v < kVecs; ++v) {
          const float* from = scores + row * kWide + v * kLanes;
          Vec low = exp2_nonpositive(load(from) * to_log2 - shift[v]);
          Vec high = both ? exp2_nonpositive(load(from + kWide) * to_log2 - shift[v]) : Vec{};
          total[v] += low + high;
          if (factors != nullptr) {
            low *= load(factors + v * kLanes);
            high *= load(factors + kWide + v * kLanes);
          }
          put_packed(to, row, v * kLanes, low, high);
        }
      });
  zero_rows(to, (tile.valid + 1) / 2 * 2, tile.rows);
  for (std::int64_t v = 0; v < kVecs; ++v) store(state.sums + v * kLanes, total[v]);
}

void fade(float* product, std::int64_t rows, const float* factors) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < kWide; ++col) product[row * kWide + col] *= factors[col];
  }
}

void add(const float* from, std::int64_t count, float* to) {
  for (std::int64_t at = 0; at < count; ++at) to[at] += from[at];
}

void finish_softmax(const ScoreTile& tile, const SoftmaxState& state, float* lse) {
  for (std::int64_t query = 0; query < tile.queries; ++query) {
    lse[query] = tile.scale * state.largest[query] + __builtin_logf(state.sums[query]);
    state.sums[query] = 1.0F / state.sums[query];
  }
}

/// Sixteen rows of a product, of which `exist` exist, become sixteen columns. Inlined, so that 16
/// is a constant to the compiler and everything stays in registers.
template <class T>
EPI_INLINE void store_turned(const float* product, const float* factors, std::int64_t exist,
                             std::int64_t queries, T* to, std::int64_t stride) {
  for (std::int64_t j = 0; j < queries; j += kLanes) {
    Vec a[kLanes] = {};
    const Vec factor = load(factors + j);
    for (std::int64_t lane = 0; lane < exist; ++lane)
      a[lane] = load(product + lane * kWide + j) * factor;
    transpose_lanes(a);
    const std::int64_t rows = at_most(queries - j, kLanes);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      if (lane < rows) store_some(to + (j + lane) * stride, a[lane], exist);
    }
  }
}

template <class T>
void store_across(const float* product, const float* factors, std::int64_t size,
                  std::int64_t queries, T* to, std::int64_t stride) {
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    store_turned(product + i * kWide, factors, kLanes, queries, to + i, stride);
  }
  if (i < size) store_turned(product + i * kWide, factors, size - i, queries, to + i, stride);
}

template <class T>
void store_rows(const float* product, std::int64_t ld, float factor, std::int64_t rows,
                std::int64_t cols, T* to, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; col += kLanes) {
      const Vec value = load(product + row * ld + col) * factor;
      store_some(to + row * stride + col, value, cols - col);
    }
  }
}

template <class T>
void row_dots(const T* a, const T* b, std::int64_t stride, std::int64_t rows, std::int64_t cols,
              float* dots) {
  for (std::int64_t row = 0; row < rows; ++row) {
    Vec total{};
    for (std::int64_t col = 0; col < cols; col += kLanes) {
      total += load_some(a + row * stride + col, cols - col) *
               load_some(b + row * stride + col, cols - col);
    }
    dots[row] = sum(total);
  }
}

/// One row, sixteen queries: ds = p (f dp - sum_i p_i f_i dp_i), the sum being delta. Overwrites
/// `score` by p f and `dweight` by ds; `factors` may be null.
EPI_INLINE void softmax_grad_of(Vec to_log2, Vec lse, Vec delta, const float* factors, Vec& score,
                                Vec& dweight) {
  const Vec p = exp2_nonpositive(score * to_log2 - lse);
  const Vec f = factors != nullptr ? load(factors) : splat(1.0F);
  dweight = p * (f * dweight - delta);
  score = p * f;
}

template <class T>
void softmax_grad(const ScoreTile& tile, const DropoutKey& dropout, const float* lse,
                  const float* delta, const float* scores, const float* dweights, T* weights,
                  T* dscores, T* packed) {
  const Vec to_log2 = splat(tile.scale * kLog2E);
  Vec shift[kVecs], mean[kVecs];
  for (std::int64_t v = 0; v < kVecs; ++v) {
    shift[v] = load_some(lse + v * kLanes, tile.queries - v * kLanes) * kLog2E;
    mean[v] = load_some(delta + v * kLanes, tile.queries - v * kLanes);
  }
  walk_pairs(
      tile, dropout,
      [&](std::int64_t row, bool both, const float* factors) __attribute__((always_inline)) {
        Vec p[kVecs], next_p[kVecs] = {};  // stored last: `weights` may lie over scores unread
        for (std::int64_t v = 0; v < kVecs; ++v) {
          const std::int64_t col = v * kLanes;
          const std::int64_t at = row * kWide + col;
          const float* own = factors == nullptr ? nullptr : factors + col;
          Vec ds = load(dweights + at), next_ds{};
          p[v] = load(scores + at);
          softmax_grad_of(to_log2, shift[v], mean[v], own, p[v], ds);
          if (both) {
            next_p[v] = load(scores + at + kWide);
            next_ds = load(dweights + at + kWide);
            softmax_grad_of(to_log2, shift[v], mean[v], own == nullptr ? nullptr : own + kWide,
                            next_p[v], next_ds);
          }
          put_plain(dscores, row, col, ds, next_ds);
          if constexpr (sizeof(T) != sizeof(float)) put_packed(packed, row, col, ds, next_ds);
        }
        for (std::int64_t v = 0; v < kVecs; ++v) {
          put_plain(weights, row, v * kLanes, p[v], next_p[v]);
        }
      });
  const std::int64_t done = (tile.valid + 1) / 2 * 2;
  zero_rows(weights, done, tile.rows);
  zero_rows(dscores, done, tile.rows);
  zero_rows(packed, done, tile.rows);
}

template <class T>
constexpr AttendLoops<T> table_of() {
  return {copy<T>,       softmax<T>,  fade,           add, finish_softmax, store_across<T>,
          store_rows<T>, row_dots<T>, softmax_grad<T>};
}

}  // namespace

extern const AttendTable attend_table{table_of<float>(), table_of<Bf16>()};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
