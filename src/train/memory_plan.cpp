#include "train/memory_plan.hpp"

#include <unistd.h>

#include <fstream>

#include "train/sharded_parameters.hpp"
#include "train/warm_up.hpp"

namespace epi::train {
namespace {

/// Of this process now; 0 where the system does not tell.
std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  in >> size >> resident;
  return in ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace

MemoryPlan plan_memory(const StepSetup& setup, std::size_t store_bytes) {
  warm_up(setup);
  MemoryPlan plan;
  plan.scratch = setup.ops.scratch_bytes();
  plan.store = store_bytes;
  plan.corpus = setup.corpus.bytes();
  plan.on_device = setup.ops.device() != core::kCpu;
  const std::size_t known = (plan.on_device ? 0 : plan.scratch) + plan.store;
  const std::size_t resident = resident_bytes();
  plan.program = resident > known ? resident - known : 0;
  const TrainingStep step(setup);
  plan.tensors = step.memory();
  plan.snapshot = HostBlocks::footprint(step.table().block_size());
  const auto mates = static_cast<std::size_t>(setup.world.node_size());
  if (!plan.on_device) {
    plan.peers = plan.tensors.parameters / mates * (mates - 1);  // one block is as long as another
    // Gathered parameters are written where the other ranks have them.
    if (shards(setup.config.train, setup.world.size())) plan.peers *= 2;
  }
  plan.num_parameters = step.table().num_parameters();
  return plan;
}

}  // namespace epi::train
