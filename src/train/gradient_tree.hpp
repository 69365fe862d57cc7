// The sum of the micro-batches' gradients in the canonical tree, so that its rounding depends on
// the micro-batches alone. Each gradient is written to a block of its own; a stack of sums that
// wait keeps at most log2(n) + 1 blocks alive. With one micro-batch its gradient is the result: no
// extra block.
#pragma once

#include <cstdint>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/ops.hpp"
#include "train/canonical_tree.hpp"

namespace epi::train {

class GradientTree {
 public:
  /// `leaves` >= 1 micro-batches. `result`, f32 [elements], becomes the block of the sum: memory
  /// that the ranks reduce fastest (Communicator::reducible).
  GradientTree(std::int64_t leaves, core::Tensor result, kernels::Ops& ops);

  /// How many blocks, the result's included, a tree of so many leaves has.
  [[nodiscard]] static std::size_t blocks(std::int64_t leaves);

  /// Micro-batches per step on this rank.
  [[nodiscard]] std::int64_t leaves() const { return tree_.leaves(); }
  /// f32 [elements]: where the gradient of micro-batch `leaf` is to be written. Leaves come in
  /// order.
  [[nodiscard]] core::View leaf(std::int64_t leaf) const;
  /// Merges the subtrees that `leaf`, now written, completes. Not for the last leaf.
  void add(std::int64_t leaf, core::Stream& stream);
  /// Merges elements [first, first + count) of the last leaf, once they are written, with all
  /// that waits: they are then final in `result`. Call it once for each element.
  void add_last(std::int64_t first, std::int64_t count, core::Stream& stream);
  /// f32 [elements], the same memory in every step.
  [[nodiscard]] core::View result() const { return blocks_.front(); }
  /// Bytes of all blocks.
  [[nodiscard]] std::size_t bytes() const;

 private:
  /// Blocks below the one that takes this leaf.
  [[nodiscard]] std::size_t waiting(std::int64_t leaf) const;

  CanonicalTree tree_;
  kernels::Ops& ops_;
  std::vector<core::Tensor> blocks_;  ///< a stack: subtree sums by falling size, the leaf's group
                                      ///< so far, then the new leaf
};

}  // namespace epi::train
