// Reads only what launchers set for every process they start; see the header for whom to believe.
#include "dist/launch_trap.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>

namespace epi::dist {
namespace {

std::optional<std::int64_t> number(const Environment& environment, const char* name) {
  const std::optional<std::string> text = environment(name);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  // A value that is not a whole number says nothing.
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

/// Tasks of the srun step that started this process. A batch script and an interactive shell are
/// not such a step: they have no step id, or one of the reserved ones from 0xfffffff0 on.
std::optional<std::int64_t> slurm_step_tasks(const Environment& environment) {
  const std::optional<std::int64_t> step = number(environment, "SLURM_STEP_ID");
  if (!step || *step >= 0xfffffff0) return std::nullopt;
  const std::optional<std::int64_t> tasks = number(environment, "SLURM_STEP_NUM_TASKS");
  return tasks ? tasks : number(environment, "SLURM_NTASKS");
}

std::string message(const char* variable, std::int64_t processes) {
  return fmt::format(
      "the launcher started {0} processes ({1}={0}), but MPI sees one: each of them would believe "
      "it is the whole run. The launcher does not belong to the MPI that epitrain was built with. "
      "Start with `mpirun -np {0} epitrain ...` of that MPI, or in Slurm with "
      "`srun --mpi=pmix -n {0} epitrain ...` (`srun --mpi=list` shows what there is)",
      processes, variable);
}

}  // namespace

std::optional<std::string> singleton_trap(const Environment& environment) {
  if (const auto size = number(environment, "OMPI_COMM_WORLD_SIZE")) {
    if (*size > 1) return message("OMPI_COMM_WORLD_SIZE", *size);
    return std::nullopt;
  }
  if (const auto size = number(environment, "PMI_SIZE"); size && *size > 1) {
    return message("PMI_SIZE", *size);
  }
  if (const auto tasks = slurm_step_tasks(environment); tasks && *tasks > 1) {
    return message("tasks of the Slurm step", *tasks);
  }
  return std::nullopt;
}

}  // namespace epi::dist
