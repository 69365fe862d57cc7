// What every part of a model needs during one forward or backward pass.
#pragma once

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

struct Pass {
  core::ConstView parameters;  ///< f32, the flat block
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
