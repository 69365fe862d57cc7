// One run on the ranks of a session: what `pretrain` and a task of `sweep` have in common.
#pragma once

#include <filesystem>

#include "core/log.hpp"
#include "session.hpp"
#include "train/device.hpp"
#include "train/run_config.hpp"

namespace epi::launch {

/// Connects the ranks' devices and trains in the folder `out` until the last step or a signal that
/// asks for a stop. Collective. kDone or kResumable; throws what train::pretrain throws.
[[nodiscard]] int run_training(const train::RunConfig& config, const std::filesystem::path& out,
                               const train::DeviceChoice& device, core::LogLevel level,
                               Session& session);

}  // namespace epi::launch
