// What a back end chooses by timing: rank 0 times, all ranks take what it chose, and a run that
// goes on takes what it began with, so that no bit depends on the noise of a clock.
#pragma once

#include <string>

#include "core/log.hpp"
#include "train/step_setup.hpp"

namespace epi::train {

/// `before` (of rank 0): the choices of the checkpoint that the run goes on from, or "". With other
/// ranks waiting, rank 0 runs a warm-up; then all take its choices. Collective, before the first
/// step. Rank 0 warns when some rank could not take all of them. Throws as warm_up, on all ranks.
void share_choices(const StepSetup& setup, const std::string& before, const core::Log& log);

}  // namespace epi::train
