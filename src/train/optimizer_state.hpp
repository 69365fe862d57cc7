// The optimizer's part of a run: the moments of the elements that this rank updates, and their
// update. That is the whole block, or with ZeRO-1 the rank's shard: a stretch of each bucket, whose
// moments lie one behind the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/buffer.hpp"
#include "dist/stretch.hpp"
#include "kernels/ops.hpp"

namespace epi::train {

class OptimizerState {
 public:
  /// `slices` are the tensors of the block; `mine` what this rank updates of it, ascending. LAMB,
  /// which needs norms of whole tensors, takes the whole block only. `ops` must outlive it.
  /// DeviceError without memory.
  OptimizerState(std::span<const kernels::ParameterSlice> slices, std::vector<dist::Stretch> mine,
                 kernels::Ops& ops);

  /// out, f64 [1] = the sum of squares of this rank's elements of `block`, f32.
  void sum_squares(const core::ConstView& block, const core::View& out, core::Stream& stream) const;
  /// Ops::update of this rank's elements. `args` has views of the whole block and no slices or
  /// moments.
  void update(const kernels::UpdateArgs& args, core::Stream& stream) const;

  /// What this rank updates, ascending.
  [[nodiscard]] const std::vector<dist::Stretch>& mine() const { return mine_; }
  /// The moments, f32, of stretch `index`.
  [[nodiscard]] core::View moment1(std::size_t index) const { return of(moment1_, index); }
  [[nodiscard]] core::View moment2(std::size_t index) const { return of(moment2_, index); }
  /// Of the moments.
  [[nodiscard]] std::size_t bytes() const {
    return moment1_.view().bytes() + moment2_.view().bytes();
  }

 private:
  [[nodiscard]] core::View of(const core::Tensor& moments, std::size_t index) const;

  kernels::Ops& ops_;
  std::vector<dist::Stretch> mine_;
  std::vector<std::int64_t> places_;                          ///< of the stretches' moments
  std::vector<std::vector<kernels::ParameterSlice>> slices_;  ///< by stretch, offsets within it
  core::Tensor moment1_, moment2_;
  core::Tensor squares_;  ///< f64 [stretches]; absent where there is one
};

}  // namespace epi::train
