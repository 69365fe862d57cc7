// The sums of the micro-batches' totals in the canonical tree: what a step reports has the same
// bits on 1, 2, 4, ... ranks, as its gradients have. A row per micro-batch, placed so that each
// level of the tree adds one half of the rows that are left to the other: a few small operations,
// however many micro-batches there are.
#pragma once

#include <cstdint>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "train/canonical_tree.hpp"

namespace epi::train {

class TotalsTree {
 public:
  /// For `leaves` >= 1 micro-batches; `result`, f64 [columns], is where their sum goes. With one
  /// micro-batch it is that one's row, else rows are in memory of their own. DeviceError.
  TotalsTree(std::int64_t leaves, const core::View& result, kernels::Ops& ops);

  /// Zeroes the rows that are not `result`, which the caller zeroes.
  void clear(core::Stream& stream) const;
  /// f64 [columns]: what micro-batch `leaf` is to be added to.
  [[nodiscard]] core::View leaf(std::int64_t leaf) const;
  /// result = the sum of all rows, whose content is lost.
  void sum(core::Stream& stream) const;

 private:
  /// `count` rows from `first` on, in memory.
  [[nodiscard]] core::View rows(std::int64_t first, std::int64_t count) const;
  /// Row 0 and so on += rows from `first` on; into the result where that is the last sum.
  void add(std::int64_t first, std::int64_t count, core::Stream& stream) const;

  CanonicalTree tree_;
  core::View result_;
  kernels::Ops& ops_;
  core::Tensor rows_;
};

}  // namespace epi::train
