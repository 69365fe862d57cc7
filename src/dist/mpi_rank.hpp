// The communicator that MPI carries. Of the room only: see mpi_comm.hpp.
#pragma once

#include <memory>

#include "dist/communicator.hpp"
#include "dist/mpi.hpp"
#include "dist/mpi_comm.hpp"

namespace epi::dist {

/// Takes `comm` over. Collective over its ranks. CommError.
[[nodiscard]] std::unique_ptr<Communicator> make_mpi_rank(MPI_Comm comm, HostExchange exchange,
                                                          PretendedHosts hosts);

}  // namespace epi::dist
