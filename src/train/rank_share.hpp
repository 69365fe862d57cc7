// How a step's windows are shared over the ranks. The global batch is the unit: any number of ranks
// that divides it trains on the same windows in the same steps.
#pragma once

#include "train/run_config.hpp"

namespace epi::train {

/// The configuration as so many ranks carry it out: where a rank's windows are no whole number of
/// micro-batches, train.micro_batch is the largest number that divides both. Equal to the one of
/// the file to rounding. ConfigError when the ranks do not divide train.global_batch; names the
/// numbers of ranks that do. With train.reproducible the ranks must also be a power of two, each
/// with whole subtrees of the canonical tree, and gradients travel in fp32.
[[nodiscard]] RunConfig shared_over(const RunConfig& config, int ranks);

}  // namespace epi::train
