// dgamma and dbeta of LayerNorm over many rows: each piece of rows sums its own, and the pieces are
// merged in their order.
#pragma once

#include <cstdint>

#include "kernels/cpu/cut.hpp"

namespace epi::kernels::cpu {

/// Rows cut for a LayerNorm gradient: enough pieces for many cores, few enough to merge cheaply.
[[nodiscard]] inline Cut cut_norm_rows(std::int64_t rows) {
  return cut_into(rows, 64, 16);
}

/// Partial sums of each piece: [pieces, 2, H], dgamma before dbeta.
class NormPartials {
 public:
  /// Floats that all pieces need.
  [[nodiscard]] static std::int64_t size(const Cut& cut, std::int64_t hidden) {
    return cut.count * 2 * hidden;
  }
  /// Views `memory` of size() floats; the caller owns it.
  NormPartials(float* memory, std::int64_t hidden) : memory_(memory), hidden_(hidden) {}
  /// [H], this piece's sum for gamma.
  [[nodiscard]] float* dgamma(std::int64_t piece) const { return memory_ + piece * 2 * hidden_; }
  /// [H], this piece's sum for beta.
  [[nodiscard]] float* dbeta(std::int64_t piece) const { return dgamma(piece) + hidden_; }
  /// Zeroes one piece; called by the task that fills it.
  void clear(std::int64_t piece) const;
  /// dgamma = and dbeta = the sums over all pieces.
  void merge(std::int64_t pieces, float* to_dgamma, float* to_dbeta, Pool& pool) const;

 private:
  float* memory_;
  std::int64_t hidden_;
};

}  // namespace epi::kernels::cpu
