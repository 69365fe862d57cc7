#include "train/optimizer_state.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"

namespace epi::train {
namespace {

using dist::Stretch;
using kernels::ParameterSlice;

/// What of the tensors lies in a stretch, by offsets within it.
std::vector<ParameterSlice> slices_in(std::span<const ParameterSlice> slices, Stretch stretch) {
  std::vector<ParameterSlice> inside;
  for (const ParameterSlice& slice : slices) {
    const std::int64_t first = std::max(slice.offset, stretch.first);
    const std::int64_t end = std::min(slice.offset + slice.size, stretch.end());
    if (first < end) inside.push_back({first - stretch.first, end - first, slice.decay});
  }
  return inside;
}

}  // namespace

OptimizerState::OptimizerState(std::span<const ParameterSlice> slices, std::vector<Stretch> mine,
                               kernels::Ops& ops)
    : ops_(ops), mine_(std::move(mine)) {
  std::int64_t elements = 0;
  for (const Stretch& stretch : mine_) {
    places_.push_back(elements);
    slices_.push_back(slices_in(slices, stretch));
    elements += stretch.count;
  }
  moment1_ = core::Tensor(core::DType::f32, {elements}, ops.device());
  moment2_ = core::Tensor(core::DType::f32, {elements}, ops.device());
  if (mine_.size() == 1) return;
  squares_ =
      core::Tensor(core::DType::f64, {static_cast<std::int64_t>(mine_.size())}, ops.device());
}

core::View OptimizerState::of(const core::Tensor& moments, std::size_t index) const {
  return moments.view().slice(places_.at(index), mine_[index].count);
}

// Halves are added until one number is left: a few small operations for any number of stretches.
void OptimizerState::sum_squares(const core::ConstView& block, const core::View& out,
                                 core::Stream& stream) const {
  const auto part = [&](std::size_t index) {
    return block.slice(mine_[index].first, mine_[index].count);
  };
  if (mine_.size() == 1) return ops_.sum_squares({.in = part(0), .out = out}, stream);
  auto count = static_cast<std::int64_t>(mine_.size());
  for (std::int64_t i = 0; i < count; ++i) {
    ops_.sum_squares({.in = part(static_cast<std::size_t>(i)), .out = squares_.view().slice(i, 1)},
                     stream);
  }
  for (; count > 1; count = (count + 1) / 2) {
    const core::View low = squares_.view().slice(0, count / 2);
    const core::View high = squares_.view().slice((count + 1) / 2, count / 2);
    ops_.combine({.a = low, .b = high, .out = low}, stream);
  }
  core::copy(out, squares_.view().slice(0, 1), stream);
}

void OptimizerState::update(const kernels::UpdateArgs& args, core::Stream& stream) const {
  core::require(args.optimizer != kernels::Optimizer::lamb || mine_.size() == 1,
                "LAMB updates whole tensors");
  for (std::size_t i = 0; i < mine_.size(); ++i) {
    kernels::UpdateArgs part = args;
    part.slices = slices_[i];
    part.parameters = mine_[i].of(args.parameters);
    part.gradients = args.gradients.slice(mine_[i].first, mine_[i].count);
    part.moment1 = moment1(i);
    part.moment2 = moment2(i);
    if (args.weights) part.weights = mine_[i].of(args.weights);
    // A step is counted once.
    if (i > 0) part.updates = {};
    ops_.update(part, stream);
  }
}

}  // namespace epi::train
