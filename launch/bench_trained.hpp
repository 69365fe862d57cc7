// A training step as runs take it: train::TrainingStep over synthetic windows, with the optimizer
// and the next batch, on any device; on a GPU as one recorded graph.
#pragma once

#include "bench_step.hpp"

namespace epi::launch {

/// Times whole steps by the device's clock and, with BenchOptions::profile, the ops of one more
/// step that is not recorded. Errors as bench_step.
[[nodiscard]] BenchResult bench_trained(const BenchOptions& options, const core::Log& log);

}  // namespace epi::launch
