#include "train/instruction_set.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "kernels/ops.hpp"

namespace epi::train {
namespace {

/// From the lowest on.
constexpr std::array<const char*, 3> kNames = {"sse2", "avx2", "avx512"};

std::ptrdiff_t level_of(const std::string& name) {
  return std::ranges::find(kNames, name) - kNames.begin();
}

}  // namespace

std::string lowest_of(std::span<const std::string> instruction_sets) {
  return *std::ranges::min_element(instruction_sets, {}, level_of);
}

void agree_on_instruction_set(dist::Communicator& world, const core::Log& log) {
  const std::vector<std::string> all = world.gather_text(kernels::cpu_instruction_set());
  const std::string lowest = lowest_of(all);
  const auto other = std::ranges::find_if(all, [&](const auto& mine) { return mine != lowest; });
  if (other == all.end()) return;
  const auto low = std::ranges::find(all, lowest);
  if (world.rank() == 0) {
    log.warn(
        "rank {} has {} and rank {} has {}: all ranks compute with {}, so that their copies of "
        "the weights stay equal",
        low - all.begin(), lowest, other - all.begin(), *other, lowest);
  }
  dist::agree(world, [&] { kernels::limit_cpu_instruction_set(lowest); });
}

}  // namespace epi::train
