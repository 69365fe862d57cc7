// How a model is computed, as opposed to what it is: none of this changes the mathematics or the
// checkpoint.
#pragma once

#include <cstdint>

#include "core/view.hpp"

namespace epi::model {

/// What backward finds in memory and what it computes again. Results have the same bits.
enum class Recompute : std::uint8_t {
  none,   ///< all that forward made, but for what Ops::activates_operands makes on the way
  layer,  ///< only the input of each layer: a second forward pass, and memory of one layer
};

struct Execution {
  /// Type of activations and of their gradients, f32 or bf16 where Ops::takes it. Parameters and
  /// their gradients are f32 either way.
  core::DType activations = core::DType::f32;
  Recompute recompute = Recompute::none;
};

}  // namespace epi::model
