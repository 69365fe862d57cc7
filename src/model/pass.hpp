// What every part of a model needs during one forward or backward pass.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>

#include "core/device.hpp"
#include "core/view.hpp"
#include "kernels/step_state.hpp"

namespace epi::model {

/// How train follows the flat block through a step. Either may be empty.
struct BlockHooks {
  /// Called by forward before the first read of parameters at or after this offset; rises from 0.
  std::function<void(std::int64_t)> before_read;
  /// Called by backward when gradients at or after this offset are final; falls to 0.
  std::function<void(std::int64_t)> gradients_done;
};

/// The flat block of parameters, and what products read of it: the same block on a device that
/// rounds weights on its way, a copy in the type of activations on one that does not.
struct ParameterBlocks {
  /// Products read the block itself.
  template <std::convertible_to<core::ConstView> Block>
  ParameterBlocks(const Block& block)  // NOLINT(google-explicit-constructor)
      : exact(block), weights(exact) {}
  /// `copy` has the same offsets, of Ops::weights_type.
  ParameterBlocks(const core::ConstView& block, const core::ConstView& copy)
      : exact(block), weights(copy) {}

  core::ConstView exact;    ///< f32
  core::ConstView weights;  ///< of Ops::weights_type
};

struct Pass {
  core::ConstView parameters;  ///< f32, the flat block
  core::ConstView weights;     ///< what products read of it: ParameterBlocks::weights
  core::View gradients;        ///< the same offsets; backward only
  const kernels::StepState* state = nullptr;
  float dropout = 0.0F;  ///< 0 outside of training
  const BlockHooks& hooks;
  core::Stream& stream;

  /// Tells train, if it listens, that forward is about to read from `offset` on.
  void before_read(std::int64_t offset) const {
    if (hooks.before_read) hooks.before_read(offset);
  }
  /// Tells train, if it listens, that gradients from `offset` on are final.
  void gradients_done(std::int64_t offset) const {
    if (hooks.gradients_done) hooks.gradients_done(offset);
  }
};

/// Sites of `kernels::Dropout`. `layer` is the encoder layer, 0 for the embeddings.
enum class DropoutSite : std::uint32_t {
  embeddings = 0,
  attention_probabilities = 1,
  attention_output = 2,
  feed_forward_output = 3,
};

}  // namespace epi::model
