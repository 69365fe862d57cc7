// The table of networks that scaling is predicted for: TOML that people may edit.
#pragma once

#include <string>
#include <vector>

#include "core/config.hpp"
#include "dist/cost_model.hpp"

namespace epi::train {

/// The networks that the list `networks` names, in its order, each a section with its numbers; see
/// launch/networks.toml. `file` is the table's name in messages: ConfigError names it (and the line
/// where there is one) and the key that is missing, unknown or out of bounds.
[[nodiscard]] std::vector<dist::Network> read_networks(core::Config& table,
                                                       const std::string& file);

}  // namespace epi::train
