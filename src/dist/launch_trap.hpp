// Were several processes meant where MPI sees one? Happens when the launcher and the library do not
// speak the same protocol (srun without PMIx, mpiexec of another MPI): N processes, each of them
// rank 0 of 1, would write the same run.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace epi::dist {

/// Value of an environment variable, or nothing; `std::getenv` in the program, a table in tests.
using Environment = std::function<std::optional<std::string>(const char* name)>;

/// Why a process whose MPI world has size 1 must not go on, with the command lines that work;
/// nothing when it is alone on purpose.
///
/// Who started us decides whom to believe: under mpirun the SLURM_* variables describe the
/// allocation or mpirun's own daemons, so they count only where no mpirun spoke.
[[nodiscard]] std::optional<std::string> singleton_trap(const Environment& environment);

}  // namespace epi::dist
