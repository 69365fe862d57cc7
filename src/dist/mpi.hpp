// MPI as a communicator. No MPI type appears here: rule of the house.
#pragma once

#include <cstdint>
#include <memory>

#include "dist/communicator.hpp"

namespace epi::dist {

/// How ranks of one host sum. Between hosts it is always messages, and the bits are the same.
enum class HostExchange : std::uint8_t {
  shared_memory,  ///< an MPI shared window, where each rank sums its share from everybody's memory
  messages,       ///< between any two ranks: where /dev/shm is too small, and to test that path
};

/// Several hosts on one: `ranks` in a row count as a host. 0: the hosts as they are.
struct PretendedHosts {
  int ranks = 0;
};

/// MPI_Init .. MPI_Finalize as an owner; one per process, made in main. Refuses with UsageError
/// when a launcher started several processes (OMPI_COMM_WORLD_SIZE, PMI_SIZE, a Slurm job step) but
/// MPI sees one rank: N singletons would all write the same run.
///
/// MPI_Finalize waits for all ranks, and a rank with an exception in flight cannot know that the
/// others come. So when a run with more than one rank unwinds past the destructors here, nothing is
/// freed and MPI is not finalized: the launcher sees that and ends the job. `launch` should have
/// called `abort` before.
class MpiRuntime {
 public:
  /// Throws CommError when MPI cannot serve calls from one thread of several.
  MpiRuntime(int& argc, char**& argv);
  /// Finalizes, and waits for all ranks there; does neither when an exception unwinds a larger
  /// world.
  ~MpiRuntime();
  /// Not copied: MPI starts and ends once in a process.
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;

  /// All ranks of the job; every rank calls it. Valid while the runtime lives. Sums go through the
  /// memory of each host first and between hosts by messages, where each host has the next 2^k
  /// ranks; otherwise all of it is messages. Tests pretend several hosts.
  [[nodiscard]] std::unique_ptr<Communicator> world(
      HostExchange exchange = HostExchange::shared_memory, PretendedHosts hosts = {});

 private:
  int exceptions_at_start_;
  int size_ = 1;
};

/// The yardstick of our own sums: view = its sum over all ranks of the job by one plain
/// MPI_Allreduce. Needs a runtime and host memory; at most 2^31 - 1 elements. CommError.
void library_sum(const View& view);

}  // namespace epi::dist
