// The ways that ranks under mpirun can sum, with hosts that are pretended on this one.
#pragma once

#include <ostream>

#include "dist/mpi.hpp"

namespace epi::dist {

/// A way for ranks to sum, and hosts to do it on.
struct Way {
  const char* name;
  HostExchange exchange;
  PretendedHosts hosts;
};

inline void PrintTo(const Way& way, std::ostream* out) {
  *out << way.name;
}

/// Hosts of 2 are branches of the tree where the ranks are even in number; hosts of 3 never are,
/// and sum by messages alone.
inline const Way kWays[] = {{"shared", HostExchange::shared_memory, {}},
                            {"messages", HostExchange::messages, {}},
                            {"hosts_of_1", HostExchange::shared_memory, {1}},
                            {"hosts_of_2", HostExchange::shared_memory, {2}},
                            {"hosts_of_3", HostExchange::shared_memory, {3}},
                            {"hosts_of_4", HostExchange::shared_memory, {4}}};

}  // namespace epi::dist
