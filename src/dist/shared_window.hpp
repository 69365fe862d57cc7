// Memory of one host that all ranks of a communicator see: an MPI-3 shared window. Used by plain
// loads and stores between meetings; MPI only makes it and frees it.
#pragma once

#include <cstddef>
#include <vector>

#include "dist/mpi_comm.hpp"

namespace epi::dist {

class SharedWindow {
 public:
  /// Zeroed memory of `bytes` for each rank of `comm`, whose ranks share one host. Collective, and
  /// so is its end. CommError.
  SharedWindow(const Comm& comm, std::size_t bytes);
  /// Frees it, together with all ranks; see FreeGuard.
  ~SharedWindow();
  /// Not copied: freed once.
  SharedWindow(const SharedWindow&) = delete;
  SharedWindow& operator=(const SharedWindow&) = delete;

  /// Where the parts of all ranks lie for this one, in rank order; each aligned to 4096 bytes.
  [[nodiscard]] const std::vector<std::byte*>& parts() const { return parts_; }

 private:
  FreeGuard guard_;
  MPI_Win window_ = MPI_WIN_NULL;
  std::vector<std::byte*> parts_;
};

/// Whether this host's shared memory has room for a window of `bytes` per rank; all ranks get rank
/// 0's answer. Collective. Open MPI does not come back from making one that does not fit, and
/// containers often have 64 MB.
[[nodiscard]] bool has_room(const Comm& comm, std::size_t bytes);

}  // namespace epi::dist
