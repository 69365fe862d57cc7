// What a run would do and need, without training: read from the store, the configuration and the
// objects that training itself would use.
#pragma once

#include <string>
#include <vector>

#include "dist/communicator.hpp"
#include "train/device.hpp"
#include "train/run_config.hpp"

namespace epi::launch {

/// One line each, without line feeds; `threads` is what this rank computes with. Allocates what
/// training allocates, so that the memory is counted and not guessed. Collective; throws as
/// pretrain would before its first step.
[[nodiscard]] std::vector<std::string> plan_of(const train::RunConfig& config, int threads,
                                               const train::DeviceChoice& device,
                                               dist::Communicator& world);

}  // namespace epi::launch
