// A small model with everything that one step needs: blocks, batch, state, totals.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "core/philox.hpp"
#include "model/masked_model.hpp"

namespace epi::model::testing {

/// A stream of test numbers: element i of stream `which`.
inline std::uint32_t random_word(std::uint32_t which, std::uint64_t i) {
  return core::philox(
      11, core::RandomUse::test,
      {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32U), which, 0})[0];
}
/// Uniform in [-1, 1).
inline float random_value(std::uint32_t which, std::uint64_t i) {
  return 2.0F * core::uniform_float(random_word(which, i)) - 1.0F;
}

struct Losses {
  std::array<double, 3> dna{}, state{};  ///< sum of nll, targets, correct
};

class ModelRun {
 public:
  ModelRun(const ModelConfig& config, const BatchShape& shape, int threads = 1,
           const Execution& execution = {})
      : ops(kernels::make_cpu_ops(threads)),
        model(config, shape, *ops, execution),
        batch(shape, core::kCpu),
        parameters(core::DType::f32, {model.table().block_size()}),
        gradients(core::DType::f32, {model.table().block_size()}),
        totals(core::DType::f64, {2, 3}) {
    state.seed = 5;
    state.first_slot = 40;
    fill_batch();
  }

  /// Weights far from BERT's small initial ones, so that GELU and softmax bend: uniform in
  /// +-`scale` for matrices, +-0.2 around 0 or 1 for vectors.
  void fill_weights(float scale) {
    std::uint32_t which = 100;
    for (const Parameter& p : model.table().parameters()) {
      const float centre = p.initial == Initial::ones ? 1.0F : 0.0F;
      const float width = p.initial == Initial::normal ? scale : 0.2F;
      for (std::int64_t i = 0; i < p.size; ++i) {
        parameters.as<float>()[p.offset + i] =
            centre + width * random_value(which, static_cast<std::uint64_t>(i));
      }
      ++which;
    }
  }

  /// Random tokens and states; targets spread over the rows, the last slot of each window unused;
  /// the loss is the mean over targets, states with weight 0.5.
  void fill_batch() {
    const ModelConfig& c = model.config();
    fill_ids(batch.token_ids, 1, c.vocabulary);
    fill_ids(batch.type_ids, 2, c.token_types());
    const BatchShape& s = model.shape();
    if (s.dna_slots > 0) {
      fill_targets(batch.dna_rows, batch.dna_labels, batch.dna_weights, 3, c.vocabulary);
      state.loss_scale[0] = 1.0F / static_cast<float>(s.batch * (s.dna_slots - 1));
    }
    if (s.state_slots > 0) {
      fill_targets(batch.state_rows, batch.state_labels, batch.state_weights, 5, c.num_states);
      state.loss_scale[1] = 0.5F / static_cast<float>(s.batch * (s.state_slots - 1));
    }
  }

  Losses forward(bool training, const BlockHooks& hooks = {}) {
    core::fill_zero(totals, stream);
    LossOutputs outputs;
    if (model.shape().dna_slots > 0) outputs.dna_totals = totals.view().slice(0, 3);
    if (model.shape().state_slots > 0) outputs.state_totals = totals.view().slice(3, 3);
    model.forward(batch, parameters, &state, training, outputs, hooks, stream);
    Losses losses;
    for (std::size_t i = 0; i < 3; ++i) {
      losses.dna[i] = totals.as<double>()[i];
      losses.state[i] = totals.as<double>()[3 + i];
    }
    return losses;
  }

  /// The scaled loss that gradients are of.
  double loss(bool training) {
    const Losses losses = forward(training);
    return static_cast<double>(state.loss_scale[0]) * losses.dna[0] +
           static_cast<double>(state.loss_scale[1]) * losses.state[0];
  }

  /// Fills the block with NaN first: whatever backward does not write shows.
  void backward(const BlockHooks& hooks = {}) {
    for (std::int64_t i = 0; i < gradients.view().size(); ++i) {
      gradients.as<float>()[i] = std::numeric_limits<float>::quiet_NaN();
    }
    model.backward(batch, parameters, &state, gradients, hooks, stream);
  }

  std::unique_ptr<kernels::Ops> ops;
  MaskedModel model;
  Batch batch;
  core::Tensor parameters, gradients, totals;
  kernels::StepState state;
  core::Stream stream{core::kCpu};

 private:
  static void fill_ids(const core::Tensor& ids, std::uint32_t which, std::int32_t bound) {
    for (std::int64_t i = 0; i < ids.view().size(); ++i) {
      ids.as<std::int32_t>()[i] = static_cast<std::int32_t>(core::uniform_below(
          random_word(which, static_cast<std::uint64_t>(i)), static_cast<std::uint32_t>(bound)));
    }
  }

  void fill_targets(const core::Tensor& rows, const core::Tensor& labels,
                    const core::Tensor& weights, std::uint32_t which, std::int32_t classes) {
    const std::int64_t tokens = model.shape().tokens;
    const std::int64_t slots = rows.view().shape(1);
    fill_ids(labels, which, classes);
    for (std::int64_t b = 0; b < model.shape().batch; ++b) {
      for (std::int64_t m = 0; m < slots; ++m) {
        const std::int64_t slot = b * slots + m;
        const bool used = m + 1 < slots;
        rows.as<std::int32_t>()[slot] =
            used ? static_cast<std::int32_t>(b * tokens + (m * 3 + which) % tokens) : 0;
        weights.as<float>()[slot] = used ? 1.0F : 0.0F;
        if (!used) labels.as<std::int32_t>()[slot] = 0;
      }
    }
  }
};

}  // namespace epi::model::testing
