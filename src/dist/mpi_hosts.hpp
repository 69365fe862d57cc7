// Which ranks share a host, and whether the tree of ranks can be walked host by host. Of the room
// only: see mpi_comm.hpp.
#pragma once

#include <memory>
#include <vector>

#include "dist/mpi_comm.hpp"

namespace epi::dist {

/// The hosts of a communicator, as one rank sees them.
struct MpiHosts {
  std::unique_ptr<Comm> node;   ///< the ranks of this host, in the order of all
  std::unique_ptr<Comm> peers;  ///< where `regular`: the ranks with my place on their hosts
  std::vector<int> node_ranks;  ///< who they are among all, in the order of `node`
  int num_hosts = 1;
  /// Whether each host is one branch of the tree: one host, or each with the next 2^k ranks. Hosts
  /// of 3 or 6 ranks and ranks that are dealt out one by one are not.
  bool regular = true;
};

/// Collective over `comm`. With `pretend_ranks` above 0 each host counts as hosts of so many ranks
/// in a row: for tests of several hosts on one. CommError.
[[nodiscard]] MpiHosts find_hosts(const Comm& comm, int pretend_ranks);

}  // namespace epi::dist
