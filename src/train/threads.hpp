// How many threads a rank computes with when the configuration leaves it open: ranks of one host
// that may run on the same cores divide them, ranks that are bound to cores of their own use those.
// Launchers bind without saying so (mpirun gives each of two ranks one core, of any number), so
// what they leave idle is told.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "core/log.hpp"
#include "dist/communicator.hpp"

namespace epi::train {

/// Cores that each rank of a host may use, as text: character i is '1' where core i is allowed.
/// Returns the share of `masks[rank]` in cores: all of its cores over the number of ranks whose
/// mask overlaps it (itself included), rounded down, at least 1.
[[nodiscard]] int share_of_cores(std::span<const std::string> masks, std::size_t rank);

/// What is lost, and the launchers' options that help, when the ranks of a host may use fewer cores
/// than `host` allows, a text like theirs; empty when they may use all.
[[nodiscard]] std::string binding_warning(std::span<const std::string> masks,
                                          const std::string& host);

/// `configured` where it is positive; for 0 this rank's share of its host's cores, at most
/// OMP_NUM_THREADS where that is set. Rank 0 warns once when a launcher has bound the ranks of its
/// host to fewer cores than there are, and when more threads are configured than the ranks have
/// cores. All ranks call it with the same `configured`. CommError.
[[nodiscard]] int threads_per_rank(int configured, dist::Communicator& world,
                                   const core::Log& log = core::Log());

}  // namespace epi::train
