// MPI as a communicator. No MPI type appears here: rule of the house.
#pragma once

#include <memory>

#include "dist/communicator.hpp"

namespace epi::dist {

/// MPI_Init .. MPI_Finalize as an owner; one per process, made in main. Refuses with UsageError when
/// a launcher started several processes (OMPI_COMM_WORLD_SIZE, SLURM_NTASKS under a job step) but
/// MPI sees one rank: N singletons would all write the same run.
class MpiRuntime {
 public:
  MpiRuntime(int& argc, char**& argv);
  ~MpiRuntime();
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;

  /// All ranks of the job. Valid while the runtime lives.
  [[nodiscard]] std::unique_ptr<Communicator> world();
};

}  // namespace epi::dist
