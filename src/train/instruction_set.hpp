// Every rank updates its own copy of the parameters: on unlike instruction sets the copies' last
// bits would drift apart. So ranks that compute on CPUs agree on one that all of them have.
#pragma once

#include <span>
#include <string>

#include "core/log.hpp"
#include "dist/communicator.hpp"

namespace epi::train {

/// The lowest of these names (kernels::cpu_instruction_set).
[[nodiscard]] std::string lowest_of(std::span<const std::string> instruction_sets);

/// Limits this process to the lowest instruction set of all ranks and says so where they differ.
/// Collective; before ops of the CPU are made.
void agree_on_instruction_set(dist::Communicator& world, const core::Log& log);

}  // namespace epi::train
