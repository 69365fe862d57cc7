#include "train/gradient_tree.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace epi::train {

std::size_t GradientTree::blocks(std::int64_t leaves) {
  core::require(leaves >= 1, "a step has at least one micro-batch");
  const CanonicalTree tree = CanonicalTree::over(leaves);
  int most = 0;
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) most = std::max(most, tree.waiting(leaf));
  return static_cast<std::size_t>(most) + 1;
}

std::size_t GradientTree::waiting(std::int64_t leaf) const {
  return static_cast<std::size_t>(tree_.waiting(leaf));
}

GradientTree::GradientTree(std::int64_t leaves, core::Tensor result, kernels::Ops& ops)
    : tree_(CanonicalTree::over(leaves)), ops_(ops) {
  const std::int64_t elements = result.view().size();
  const std::size_t count = blocks(leaves);
  blocks_.reserve(count);
  blocks_.push_back(std::move(result));
  for (std::size_t i = 1; i < count; ++i) {
    blocks_.emplace_back(core::DType::f32, std::initializer_list<std::int64_t>{elements},
                         ops.device());
  }
}

core::View GradientTree::leaf(std::int64_t leaf) const {
  return blocks_.at(waiting(leaf));
}

void GradientTree::add(std::int64_t leaf, core::Stream& stream) {
  core::require(leaf + 1 < leaves(), "the last leaf is merged by add_last");
  const int merges = tree_.merges(leaf);
  std::size_t top = waiting(leaf);
  for (int i = 0; i < merges; ++i, --top) {
    ops_.combine({.a = blocks_[top - 1], .b = blocks_[top], .out = blocks_[top - 1]}, stream);
  }
}

void GradientTree::add_last(std::int64_t first, std::int64_t count, core::Stream& stream) {
  for (std::size_t top = waiting(leaves() - 1); top > 0; --top) {
    const core::View sum = blocks_[top - 1].view().slice(first, count);
    ops_.combine({.a = sum, .b = blocks_[top].view().slice(first, count), .out = sum}, stream);
  }
}

std::size_t GradientTree::bytes() const {
  std::size_t sum = 0;
  for (const core::Tensor& block : blocks_) sum += block.view().bytes();
  return sum;
}

}  // namespace epi::train
