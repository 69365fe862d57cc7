// A checkpoint that no step gets away from: how tests see what a run does about gradients that are
// not finite.
#pragma once

#include <algorithm>
#include <filesystem>

#include "kernels/ops.hpp"
#include "model/masked_model.hpp"
#include "train/checkpoint.hpp"
#include "train/step_setup.hpp"
#include "train/tiny_run.hpp"

namespace epi::train {

/// Makes the weights of that checkpoint finite but so large that every gradient overflows.
inline void poison(const fs::path& run, int step, const RunConfig& config) {
  const Checkpoint checkpoint = open_checkpoint(checkpoint_path(run, step));
  model::ModelConfig m = config.model;
  m.num_states = kTinyStates;
  const auto ops = kernels::make_cpu_ops(1);
  const model::MaskedModel model(m, batch_shape(config, kTinyBinBp), *ops);
  const std::int64_t size = model.table().block_size();
  const core::Tensor p(core::DType::f32, {size}), m1(core::DType::f32, {size}),
      m2(core::DType::f32, {size});
  read_blocks(checkpoint, model.table(), {p, m1, m2});
  for (const model::Parameter& parameter : model.table().parameters()) {
    if (parameter.initial != model::Initial::ones) continue;
    std::fill_n(p.as<float>() + parameter.offset, parameter.size, 3e38F);
  }
  write_checkpoint(run / "checkpoints", checkpoint.note, model.table(), {p, m1, m2});
}

}  // namespace epi::train
