// Everything that a back end does at its first step only, without a step: it compiles its products,
// chooses their algorithms and takes its scratch.
#pragma once

#include "train/step_setup.hpp"

namespace epi::train {

/// One micro-batch of [PAD] without targets through one layer, forward and backward, whose products
/// have the shapes of the whole model's. Its tensors are gone when this returns. DeviceError
/// without memory.
void warm_up(const StepSetup& setup);

}  // namespace epi::train
