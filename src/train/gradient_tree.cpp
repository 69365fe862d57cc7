#include "train/gradient_tree.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/error.hpp"

namespace epi::train {
namespace {

// Subtrees that wait when leaf number `leaf` arrives: one per set bit, the lowest bit on top.
std::size_t waiting(std::int64_t leaf) {
  return static_cast<std::size_t>(std::popcount(static_cast<std::uint64_t>(leaf)));
}

}  // namespace

std::size_t GradientTree::blocks(std::int64_t leaves) {
  std::size_t most = 0;
  for (std::int64_t leaf = 0; leaf < leaves; ++leaf) most = std::max(most, waiting(leaf));
  return most + 1;
}

GradientTree::GradientTree(std::int64_t leaves, core::Tensor result, kernels::Ops& ops)
    : leaves_(leaves), ops_(ops) {
  core::require(leaves >= 1, "a step has at least one micro-batch");
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
  core::require(leaf + 1 < leaves_, "the last leaf is merged by add_last");
  const int merges = std::countr_one(static_cast<std::uint64_t>(leaf));
  std::size_t top = waiting(leaf);
  for (int i = 0; i < merges; ++i, --top) {
    ops_.combine({.a = blocks_[top - 1], .b = blocks_[top], .out = blocks_[top - 1]}, stream);
  }
}

void GradientTree::add_last(std::int64_t first, std::int64_t count, core::Stream& stream) {
  for (std::size_t top = waiting(leaves_ - 1); top > 0; --top) {
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
