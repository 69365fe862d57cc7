// Are the ranks of a job one run? A node with an older program, another configuration or a stale
// copy of the store would train something else and spoil the sum of everybody's gradients. Asked
// once at the start, while an answer costs three short texts.
#pragma once

#include <span>
#include <string>

#include "dist/communicator.hpp"

namespace epi::train {

/// Which ranks have which of these values, one per rank: "a on ranks 0 and 2-3 (node1), b on rank 1
/// (node2)"; "" when all are the same. `hosts` names each rank's host; empty leaves them out.
[[nodiscard]] std::string unlike_values(std::span<const std::string> values,
                                        std::span<const std::string> hosts);

/// The same for resolved configurations, by key: "train.seed = 1 on rank 0, 2 on rank 1"; at most
/// three keys, then how many more. Where the store lies and how many threads compute may differ:
/// neither changes what is trained.
[[nodiscard]] std::string unlike_keys(std::span<const std::string> resolved,
                                      std::span<const std::string> hosts);

/// All ranks run the same version, revision and build of the program. Collective; UsageError on all
/// ranks.
void check_program(dist::Communicator& world);

/// All ranks have read the same configuration (RunConfig::resolved). Collective; ConfigError on all
/// ranks names the keys.
void check_configuration(const std::string& resolved, dist::Communicator& world);

/// All ranks have opened the same store (Manifest::digest). Collective; InputError on all ranks.
void check_store(const std::string& fingerprint, const std::string& path,
                 dist::Communicator& world);

}  // namespace epi::train
