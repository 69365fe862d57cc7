// N singletons are refused, and nobody else is: environments as observed under Open MPI 4.1, Slurm
// 22.05 and MPICH.
#include "dist/launch_trap.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace epi::dist {
namespace {

std::optional<std::string> trap(const std::map<std::string, std::string>& variables) {
  return singleton_trap([&](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  });
}

TEST(SingletonTrap_noLauncher, letsPass) {
  EXPECT_FALSE(trap({}));
}

TEST(SingletonTrap_mpirunOfAnotherMpi, namesTheCommand) {
  const auto message = trap({{"OMPI_COMM_WORLD_SIZE", "4"}});
  ASSERT_TRUE(message);
  EXPECT_NE(message->find("mpirun -np 4"), std::string::npos) << *message;
  EXPECT_TRUE(trap({{"PMI_SIZE", "2"}, {"PMI_RANK", "0"}}));
}

TEST(SingletonTrap_srunWithoutPmix, namesTheCommand) {
  const auto message = trap({{"SLURM_STEP_ID", "0"}, {"SLURM_NTASKS", "8"}});
  ASSERT_TRUE(message);
  EXPECT_NE(message->find("srun --mpi=pmix -n 8"), std::string::npos) << *message;
}

TEST(SingletonTrap_stepOfOneTaskInALargerJob, letsPass) {
  EXPECT_FALSE(
      trap({{"SLURM_STEP_ID", "3"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_NTASKS", "8"}}));
}

TEST(SingletonTrap_shellInsideAnAllocation, letsPass) {
  EXPECT_FALSE(trap({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "8"}}));
  // An interactive step: a reserved step id.
  EXPECT_FALSE(trap({{"SLURM_STEP_ID", "4294967290"}, {"SLURM_NTASKS", "8"}}));
}

TEST(SingletonTrap_mpirunOfOneInsideAnAllocation, believesMpirun) {
  // mpirun's daemons are a Slurm step of their own, one task for each node.
  EXPECT_FALSE(trap({{"OMPI_COMM_WORLD_SIZE", "1"},
                     {"SLURM_STEP_ID", "0"},
                     {"SLURM_STEP_NUM_TASKS", "4"},
                     {"SLURM_NTASKS", "4"}}));
}

TEST(SingletonTrap_damagedVariables, areIgnored) {
  EXPECT_FALSE(trap({{"OMPI_COMM_WORLD_SIZE", "many"}, {"PMI_SIZE", ""}}));
}

}  // namespace
}  // namespace epi::dist
