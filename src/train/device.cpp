// Each rank says in one text what it has; from all texts every rank draws the same conclusion.
#include "train/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "dist/rank_gpus.hpp"

namespace epi::train {
namespace {

constexpr char kBetween = '\n';  // in neither text

/// What this rank would use, and why it can't.
FoundDevice find_device(const dist::Communicator& world) {
  if (const std::string missing = core::cuda_missing(); !missing.empty()) return {missing, ""};
  const int index =
      dist::device_index_for(world.node_rank(), world.node_size(), core::cuda_device_count());
  const core::DeviceProperties gpu = core::cuda_properties(index);
  if (gpu.major >= kernels::kOldestComputeMajor) return {"", gpu.name};
  return {fmt::format("{} has compute capability {}.{}, and {}.0 or later is needed (Ampere, 2020)",
                      gpu.name, gpu.major, gpu.minor, kernels::kOldestComputeMajor),
          gpu.name};
}

std::vector<FoundDevice> gather(const FoundDevice& mine, dist::Communicator& world) {
  std::vector<FoundDevice> all;
  for (const std::string& text : world.gather_text(mine.missing + kBetween + mine.gpu)) {
    const std::size_t cut = text.rfind(kBetween);
    all.push_back({text.substr(0, cut), text.substr(cut + 1)});
  }
  return all;
}

[[noreturn]] void refuse(const std::string& missing) {
  throw core::DeviceError("device = \"cuda\" was asked for, but " + missing);
}

std::string ranks_text(std::size_t ranks) {
  return ranks == 1 ? "it is here" : fmt::format("each of {} ranks has one", ranks);
}

}  // namespace

const char* name_of(DeviceWish wish) {
  switch (wish) {
    case DeviceWish::cpu:
      return "cpu";
    case DeviceWish::cuda:
      return "cuda";
    case DeviceWish::automatic:
      break;
  }
  return "auto";
}

DeviceWish device_named(const std::string& name) {
  for (const auto wish : {DeviceWish::automatic, DeviceWish::cpu, DeviceWish::cuda}) {
    if (name == name_of(wish)) return wish;
  }
  throw core::ConfigError(fmt::format("device = \"{}\": expected auto, cpu or cuda", name));
}

bool choose_cuda(DeviceWish wish, std::span<const FoundDevice> ranks, std::string& line) {
  if (wish == DeviceWish::cpu) {
    line = "cpu: as train.device says";
    return false;
  }
  const auto without =
      std::ranges::find_if(ranks, [](const FoundDevice& rank) { return !rank.missing.empty(); });
  if (without == ranks.end()) {
    line =
        fmt::format("cuda: {}, {}", ranks[0].gpu,
                    wish == DeviceWish::cuda ? "as train.device says" : ranks_text(ranks.size()));
    return true;
  }
  const std::string rank =
      ranks.size() == 1 ? "" : fmt::format("rank {}: ", without - ranks.begin());
  if (wish == DeviceWish::cuda) refuse(rank + without->missing);
  line = "cpu: " + rank + without->missing;
  return false;
}

DeviceChoice choose_device(DeviceWish wish, dist::Communicator& world) {
  FoundDevice mine;
  dist::agree(world, [&] {
    if (wish == DeviceWish::cpu) return;
    mine = find_device(world);
    // A rank speaks for itself: the message of all ranks names it.
    if (wish == DeviceWish::cuda && !mine.missing.empty()) refuse(mine.missing);
  });
  const std::vector<FoundDevice> all = gather(mine, world);
  DeviceChoice choice;
  if (!choose_cuda(wish, all, choice.line)) return choice;
  choice.device = {
      core::DeviceKind::cuda,
      dist::device_index_for(world.node_rank(), world.node_size(), core::cuda_device_count())};
  return choice;
}

std::unique_ptr<kernels::Ops> make_ops(core::Device device, int threads, bool reproducible) {
  if (device == core::kCpu) return kernels::make_cpu_ops(threads);
  return kernels::make_cuda_ops({.device = device.index, .reproducible = reproducible});
}

}  // namespace epi::train
