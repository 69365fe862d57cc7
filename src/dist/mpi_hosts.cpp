// Every rank looks at its own host; a minimum over all says whether all hosts are alike.
#include "dist/mpi_hosts.hpp"

#include <bit>

namespace epi::dist {
namespace {

std::unique_ptr<Comm> split(const Comm& comm, int color) {
  MPI_Comm part = MPI_COMM_NULL;
  check(MPI_Comm_split(comm.get(), color, comm.rank(), &part), "MPI_Comm_split");
  return std::make_unique<Comm>(part);
}

std::vector<int> ranks_of(const Comm& node, int mine) {
  std::vector<int> ranks(static_cast<std::size_t>(node.size()));
  check(MPI_Allgather(&mine, 1, MPI_INT, ranks.data(), 1, MPI_INT, node.get()), "MPI_Allgather");
  return ranks;
}

/// Whether these are the ranks of a branch: 2^k in a row, from a multiple of 2^k on.
bool is_branch(const std::vector<int>& ranks) {
  const auto size = static_cast<int>(ranks.size());
  return std::has_single_bit(ranks.size()) && ranks.front() % size == 0 &&
         ranks.back() - ranks.front() + 1 == size;
}

/// The smallest of every rank's `values`, in place.
void least(const Comm& comm, std::vector<int>& values) {
  check(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT,
                      MPI_MIN, comm.get()),
        "MPI_Allreduce");
}

}  // namespace

MpiHosts find_hosts(const Comm& comm, int pretend_ranks) {
  MpiHosts hosts;
  hosts.node = same_host(comm);
  if (pretend_ranks > 0) hosts.node = split(*hosts.node, hosts.node->rank() / pretend_ranks);
  hosts.node_ranks = ranks_of(*hosts.node, comm.rank());
  int firsts = hosts.node->rank() == 0 ? 1 : 0;
  check(MPI_Allreduce(MPI_IN_PLACE, &firsts, 1, MPI_INT, MPI_SUM, comm.get()), "MPI_Allreduce");
  hosts.num_hosts = firsts;
  const int size = hosts.node->size();
  std::vector<int> alike = {is_branch(hosts.node_ranks) ? 1 : 0, size, -size};
  least(comm, alike);
  hosts.regular = hosts.num_hosts == 1 || (alike[0] == 1 && alike[1] == -alike[2]);
  if (hosts.regular) hosts.peers = split(comm, hosts.node->rank());
  return hosts;
}

}  // namespace epi::dist
