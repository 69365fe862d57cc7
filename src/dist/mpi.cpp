// How MPI starts and ends in a process.
#include "dist/mpi.hpp"

#include <cstdlib>
#include <exception>
#include <limits>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "dist/launch_trap.hpp"
#include "dist/mpi_comm.hpp"
#include "dist/mpi_rank.hpp"

namespace epi::dist {
namespace {

std::optional<std::string> from_process(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

/// Settings of Open MPI that must be said before MPI_Init; what the user has set stays.
void prepare_open_mpi() {
  // Without a launcher it starts a daemon of its own, only for MPI_Comm_spawn, which we never call.
  (void)setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  // A rank that waits gives its core to who wants it, as in our own meetings. On cores that others
  // use too, two ranks' messages took 1.1 to 1.4 s with it and 4.7 to 5.1 s without.
  (void)setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
}

}  // namespace

MpiRuntime::MpiRuntime(int& argc, char**& argv) : exceptions_at_start_(std::uncaught_exceptions()) {
  prepare_open_mpi();
  int provided = MPI_THREAD_SINGLE;
  check(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
  check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "MPI_Comm_size");
  const std::optional<std::string> trap = size_ == 1 ? singleton_trap(from_process) : std::nullopt;
  if (!trap && provided >= MPI_THREAD_FUNNELED) return;
  (void)MPI_Finalize();  // no destructor runs for an object that was not made
  if (trap) throw core::UsageError(*trap);
  throw core::CommError("this MPI was built without thread support (MPI_THREAD_FUNNELED)");
}

MpiRuntime::~MpiRuntime() {
  if (size_ > 1 && std::uncaught_exceptions() > exceptions_at_start_) return;
  (void)MPI_Finalize();
}

std::unique_ptr<Communicator> MpiRuntime::world(HostExchange exchange, PretendedHosts hosts) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  return make_mpi_rank(copy, exchange, hosts);
}

void library_sum(const View& view) {
  core::require(view.size() <= std::numeric_limits<int>::max(), "MPI counts in int");
  check(MPI_Allreduce(MPI_IN_PLACE, view.raw(), static_cast<int>(view.size()),
                      mpi_type(view.dtype()), MPI_SUM, MPI_COMM_WORLD),
        "MPI_Allreduce");
}

}  // namespace epi::dist
