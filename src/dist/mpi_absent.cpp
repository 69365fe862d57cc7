// The build without MPI: one process is a whole job, alone or with threads as ranks. Compiled in
// place of the files that call MPI, so that programs run where Open MPI is not installed.
#include <cstdlib>
#include <optional>
#include <string>

#include "core/error.hpp"
#include "dist/launch_trap.hpp"
#include "dist/mpi.hpp"

namespace epi::dist {
namespace {

std::optional<std::string> from_process(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace

// A launcher that started one process is harmless: it asked for what this build can do.
MpiRuntime::MpiRuntime(int&, char**&) : exceptions_at_start_(0) {
  if (!singleton_trap(from_process)) return;
  throw core::UsageError(
      "the launcher started several processes, but this build has no MPI: each of them would "
      "believe it is the whole run. Start one process, or build with -DEPI_MPI=ON");
}

MpiRuntime::~MpiRuntime() = default;

std::unique_ptr<Communicator> MpiRuntime::world(HostExchange, PretendedHosts) {
  return make_solo();
}

void library_sum(const View&) {
  throw core::UsageError("this build has no MPI to compare with: build with -DEPI_MPI=ON");
}

}  // namespace epi::dist
