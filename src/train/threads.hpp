// How many threads a rank computes with when the configuration leaves it open: ranks of one host
// that may run on the same cores divide them, ranks that are bound to cores of their own use those.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "dist/communicator.hpp"

namespace epi::train {

/// Cores that each rank of a host may use, as text: character i is '1' where core i is allowed.
/// Returns the share of `masks[rank]` in cores: all of its cores over the number of ranks whose
/// mask overlaps it (itself included), rounded down, at least 1.
[[nodiscard]] int share_of_cores(std::span<const std::string> masks, std::size_t rank);

/// `configured` where it is positive; for 0 this rank's share of its host's cores, at most
/// OMP_NUM_THREADS where that is set. All ranks call it with the same `configured`. CommError.
[[nodiscard]] int threads_per_rank(int configured, dist::Communicator& world);

}  // namespace epi::train
