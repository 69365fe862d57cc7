// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/attend_loops.hpp"

#include "kernels/cpu/vec.hpp"
#include "kernels/cpu/vec_dropout.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

void pack(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t cols,
          float factor, float* to) {
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t col = 0; col < cols; ++col) {
      to[row * cols + col] = factor * from[row * stride + col];
    }
  }
}

/// 16 x 16 elements: four rounds of a perfect shuffle exchange row and column numbers.
void transpose_block(const float* from, std::int64_t stride, std::int64_t to_stride, float* to) {
  Vec a[kLanes], b[kLanes];
  for (std::int64_t i = 0; i < kLanes; ++i) a[i] = load(from + i * stride);
  for (int round = 0; round < 4; ++round) {
    for (std::int64_t i = 0; i < kLanes / 2; ++i) {
      b[2 * i] = __builtin_shufflevector(a[i], a[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21,
                                         6, 22, 7, 23);
      b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28,
                                             13, 29, 14, 30, 15, 31);
    }
    for (std::int64_t i = 0; i < kLanes; ++i) a[i] = b[i];
  }
  for (std::int64_t i = 0; i < kLanes; ++i) store(to + i * to_stride, a[i]);
}

void transpose(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t cols,
               float* to) {
  for (std::int64_t row = 0; row < rows; row += kLanes) {
    const std::int64_t last_row = row + kLanes < rows ? row + kLanes : rows;
    for (std::int64_t col = 0; col < cols; col += kLanes) {
      const float* block = from + row * stride + col;
      if (row + kLanes <= rows && col + kLanes <= cols) {
        transpose_block(block, stride, rows, to + col * rows + row);
        continue;
      }
      const std::int64_t last_col = col + kLanes < cols ? col + kLanes : cols;
      for (std::int64_t i = row; i < last_row; ++i) {
        for (std::int64_t j = col; j < last_col; ++j) to[j * rows + i] = from[i * stride + j];
      }
    }
  }
}

/// Lanes beyond `count` hold -inf and never win.
float largest_of(const float* scores, std::int64_t count) {
  Vec best = splat(-__builtin_inff());
  for (std::int64_t at = 0; at < count; at += kLanes) {
    best = maximum(best, load_some(scores + at, count - at, -__builtin_inff()));
  }
  return largest(best);
}

/// Overwrites scores by exp(score - shift), shift their largest: no overflow, and the sum is >= 1.
/// Lanes beyond `count` add exp(-inf) = 0.
float exp_and_sum(float* scores, std::int64_t count, float shift) {
  Vec total{};
  for (std::int64_t at = 0; at < count; at += kLanes) {
    const Vec e = exp(load_some(scores + at, count - at, -__builtin_inff()) - shift);
    store_some(scores + at, e, count - at);
    total += e;
  }
  return sum(total);
}

/// Multiplies by the dropout factors, a stretch of them at a time.
void drop(float* values, std::int64_t count, const DropoutKey& key, std::int64_t first_element) {
  constexpr std::int64_t kStretch = 256;
  float factors[kStretch];
  for (std::int64_t at = 0; at < count; at += kStretch) {
    const std::int64_t take = count - at < kStretch ? count - at : kStretch;
    dropout_factors(key, first_element + at, take, factors);
    for (std::int64_t i = 0; i < take; ++i) values[at + i] *= factors[i];
  }
}

/// Keys that don't count get exact zeros, so that products over all keys are right.
void zero(float* values, std::int64_t first, std::int64_t last) {
  for (std::int64_t at = first; at < last; ++at) values[at] = 0.0F;
}

void softmax(const ScoreTile& tile, const DropoutKey& dropout, float* scores, float* sums,
             float* lse) {
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    float* own = scores + row * tile.keys;
    const float shift = largest_of(own, tile.valid);
    sums[row] = exp_and_sum(own, tile.valid, shift);
    lse[row] = shift + __builtin_logf(sums[row]);
    zero(own, tile.valid, tile.keys);
    if (dropout.probability <= 0.0F) continue;
    drop(own, tile.valid, dropout, tile.first_element + row * tile.keys);
  }
}

/// Normalises after the product with the values: D divisions for a row instead of T.
void divide_rows(const float* from, const float* sums, std::int64_t rows, std::int64_t cols,
                 float* to, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row) {
    const float factor = 1.0F / sums[row];
    for (std::int64_t col = 0; col < cols; ++col) {
      to[row * stride + col] = from[row * cols + col] * factor;
    }
  }
}

void row_dots(const float* a, const float* b, std::int64_t stride, std::int64_t rows,
              std::int64_t cols, float* dots) {
  for (std::int64_t row = 0; row < rows; ++row) {
    Vec total{};
    for (std::int64_t col = 0; col < cols; col += kLanes) {
      total += load_some(a + row * stride + col, cols - col) *
               load_some(b + row * stride + col, cols - col);
    }
    dots[row] = sum(total);
  }
}

/// One row without dropout: probabilities anew, then their gradient through the softmax,
/// ds_j = p_j (dp_j - sum_i p_i dp_i), the sum being delta.
void softmax_grad_row(float* scores, float* dscores, std::int64_t count, float lse, float delta) {
  for (std::int64_t at = 0; at < count; at += kLanes) {
    const std::int64_t rest = count - at;
    const Vec p = exp(load_some(scores + at, rest) - lse);
    store_some(scores + at, p, rest);
    store_some(dscores + at, p * (load_some(dscores + at, rest) - delta), rest);
  }
}

void softmax_grad(const ScoreTile& tile, const DropoutKey& dropout, const float* lse,
                  const float* delta, float* scores, float* dscores) {
  for (std::int64_t row = 0; row < tile.rows; ++row) {
    float* own = scores + row * tile.keys;
    float* down = dscores + row * tile.keys;
    const std::int64_t first_element = tile.first_element + row * tile.keys;
    const bool drops = dropout.probability > 0.0F;
    // delta is a sum over the kept, scaled probabilities, so dp takes the factors before it and p
    // after it.
    if (drops) drop(down, tile.valid, dropout, first_element);
    softmax_grad_row(own, down, tile.valid, lse[row], delta[row]);
    if (drops) drop(own, tile.valid, dropout, first_element);
    zero(own, tile.valid, tile.keys);
    zero(down, tile.valid, tile.keys);
  }
}

}  // namespace

extern const AttendLoops attend_loops{pack,        transpose, softmax,
                                      divide_rows, row_dots,  softmax_grad};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
