// Loops around the small products of attention: one head's operands without gaps, softmax and its
// gradient on a tile of scores. See isa.hpp for the scheme.
//
// Tiles lie across: a row is a key, its 64 columns are queries. Statistics of queries then lie
// along lanes, so nothing is summed across lanes; and what softmax writes is at once a left operand
// [keys, queries] and a right operand in the form of packed.hpp, whose column blocks are as wide.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16_element.hpp"
#include "kernels/cpu/dropout_key.hpp"

namespace epi::kernels::cpu {

inline constexpr std::int64_t kTileQueries = 64;

/// A tile of raw scores k q: float [rows, 64] without gaps.
struct ScoreTile {
  std::int64_t rows = 0;           ///< keys, a multiple of 32
  std::int64_t valid = 0;          ///< rows that count: 1..rows
  std::int64_t queries = 0;        ///< columns that exist: 1..64
  std::int64_t tokens = 0;         ///< elements of the dropout stream between two queries
  std::int64_t first_element = 0;  ///< of the sample's dropout stream, at row 0, column 0
  float scale = 1.0F;              ///< softmax is over scale * score
};

/// Running statistics of a tile's queries, over the keys seen so far; 64 of each.
struct SoftmaxState {
  float* largest;  ///< of raw scores; -inf before the first keys
  float* sums;     ///< of exp(scale * (score - largest)); 0 before the first keys
  float* fade;     ///< written: what sums and products over earlier keys are to be multiplied by
};

template <class T>
struct AttendLoops {
  /// to[i * ld + j] = from[i * stride + j] for i < rows, j < cols; other elements of the to_rows x
  /// ld matrix become 0.
  void (*copy)(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t cols, T* to,
               std::int64_t to_rows, std::int64_t ld);
  /// to = exp(scale * (scores - largest)) * dropout factor as a packed right operand [rows, 64], 0
  /// at keys that don't count; brings the state up to date. `to` may be the scores' own memory.
  void (*softmax)(const ScoreTile& tile, const DropoutKey& dropout, const float* scores, T* to,
                  const SoftmaxState& state);
  /// product[i * 64 + j] *= fade[j].
  void (*fade)(float* product, std::int64_t rows, const float* fade);
  /// to[i] += from[i].
  void (*add)(const float* from, std::int64_t count, float* to);
  /// lse = scale * largest + log(sums), and sums = 1 / sums.
  void (*finish_softmax)(const ScoreTile& tile, const SoftmaxState& state, float* lse);
  /// to[j * stride + i] = product[i * 64 + j] * factors[j] for i < size, j < queries.
  void (*store_across)(const float* product, const float* factors, std::int64_t size,
                       std::int64_t queries, T* to, std::int64_t stride);
  /// to[i * stride + j] = factor * product[i * ld + j].
  void (*store_rows)(const float* product, std::int64_t ld, float factor, std::int64_t rows,
                     std::int64_t cols, T* to, std::int64_t stride);
  /// dots[i] = sum over j of a[i * stride + j] b[i * stride + j].
  void (*row_dots)(const T* a, const T* b, std::int64_t stride, std::int64_t rows,
                   std::int64_t cols, float* dots);
  /// With p = exp(scale * scores - lse) and f the dropout factor: weights = p f (as used forward)
  /// and dscores = p (f dweights - delta), the gradient of scale * scores, both [rows, 64] without
  /// gaps; `packed` is dscores as a right operand; 0 at keys that don't count. `weights` may be
  /// the scores' memory, `packed` that of dweights, and of float also dscores.
  void (*softmax_grad)(const ScoreTile& tile, const DropoutKey& dropout, const float* lse,
                       const float* delta, const float* scores, const float* dweights, T* weights,
                       T* dscores, T* packed);
};

struct AttendTable {
  AttendLoops<float> full;
  AttendLoops<Bf16> half;
};

namespace base {
extern const AttendTable attend_table;
}
namespace v3 {
extern const AttendTable attend_table;
}
namespace v4 {
extern const AttendTable attend_table;
}

}  // namespace epi::kernels::cpu
