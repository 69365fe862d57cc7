// Rank 0 runs a model of one layer, whose products have the run's shapes, and hands on what it
// chose.
#include "train/algorithms.hpp"

#include <algorithm>
#include <cstdint>

#include "train/warm_up.hpp"

namespace epi::train {

void share_choices(const StepSetup& setup, const std::string& before, const core::Log& log) {
  if (setup.ops.device() == core::kCpu) return;  // nothing is timed there
  dist::Communicator& world = setup.world;
  std::int64_t refused = 0;
  dist::agree(world, [&] {
    if (world.rank() != 0) return;
    if (!before.empty() && !setup.ops.take_choices(before)) refused = 1;
    if (world.size() > 1) warm_up(setup);
  });
  if (world.size() > 1) {
    const std::string chosen = world.gather_text(world.rank() == 0 ? setup.ops.choices() : "")[0];
    if (world.rank() != 0 && !setup.ops.take_choices(chosen)) refused = 1;
    core::Stream stream(core::kCpu);
    world.start(dist::Reduce::max, core::View(&refused, {1}), {}).wait(stream);
  }
  if (refused == 0 || world.rank() != 0) return;
  log.warn(
      "not all algorithms of products could be taken over (another model of GPU, or another "
      "version "
      "of cuBLAS): what is missing is chosen anew, and bits may differ from those before");
}

}  // namespace epi::train
