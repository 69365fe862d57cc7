// Loops around the small products of attention: packing of one head, softmax and its gradient on a
// tile of scores. See isa.hpp for the scheme. All tiles are row-major without gaps.
#pragma once

#include <cstdint>

#include "kernels/cpu/dropout_key.hpp"

namespace epi::kernels::cpu {

/// Scores of `rows` queries with `keys` keys, of which the first `valid` count.
struct ScoreTile {
  std::int64_t rows = 0;
  std::int64_t keys = 0;
  std::int64_t valid = 0;
  std::int64_t first_element = 0;  ///< of the sample's dropout stream, at row 0, key 0
};

struct AttendLoops {
  /// to[i * cols + j] = factor * from[i * stride + j].
  void (*pack)(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t cols,
               float factor, float* to);
  /// to[j * rows + i] = from[i * stride + j].
  void (*transpose)(const float* from, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                    float* to);
  /// scores = exp(scores - largest) * dropout factor, 0 at keys that don't count; sums[i] = the
  /// row's sum of exp before dropout, lse[i] = largest + log(sum).
  void (*softmax)(const ScoreTile& tile, const DropoutKey& dropout, float* scores, float* sums,
                  float* lse);
  /// to[i * stride + j] = from[i * cols + j] / sums[i].
  void (*divide_rows)(const float* from, const float* sums, std::int64_t rows, std::int64_t cols,
                      float* to, std::int64_t stride);
  /// dots[i] = sum over j of a[i * stride + j] b[i * stride + j].
  void (*row_dots)(const float* a, const float* b, std::int64_t stride, std::int64_t rows,
                   std::int64_t cols, float* dots);
  /// With p = exp(scores - lse[i]) and f the dropout factor: scores = p f (as used forward) and
  /// dscores = p (f dscores - delta[i]); both 0 at keys that don't count.
  void (*softmax_grad)(const ScoreTile& tile, const DropoutKey& dropout, const float* lse,
                       const float* delta, float* scores, float* dscores);
};

namespace base {
extern const AttendLoops attend_loops;
}
namespace v3 {
extern const AttendLoops attend_loops;
}
namespace v4 {
extern const AttendLoops attend_loops;
}

}  // namespace epi::kernels::cpu
