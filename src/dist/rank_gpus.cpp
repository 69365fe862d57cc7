// The ranks exchange lines of text, so that every rank finds the same faults in the same order.
#include "dist/rank_gpus.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"

namespace epi::dist {
namespace {

constexpr char kBetween = '\n';  // in none of the three names

std::string host_name() {
  std::array<char, 256> name{};
  (void)::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string as_text(core::Device device) {
  const core::DeviceProperties gpu = core::cuda_properties(device.index);
  return fmt::format("{}{}{}{}{}", host_name(), kBetween, gpu.bus_id, kBetween, gpu.name);
}

RankGpu from_text(const std::string& text) {
  const std::size_t first = text.find(kBetween);
  const std::size_t second = text.find(kBetween, first + 1);
  core::require(second != std::string::npos, "a rank names its host, its GPU's address and model");
  return {text.substr(0, first), text.substr(first + 1, second - first - 1),
          text.substr(second + 1)};
}

}  // namespace

int device_index_for(int node_rank, int node_size, int visible) {
  if (visible >= node_size) return node_rank;
  if (visible == 1) return 0;
  throw core::UsageError(fmt::format(
      "local rank {} of {} sees {} GPUs: every rank needs one of its own. Start as many ranks a "
      "node as it has GPUs, show every rank all of them, or give each rank one (Slurm: "
      "--gpus-per-task=1; elsewhere CUDA_VISIBLE_DEVICES)",
      node_rank, node_size, visible));
}

std::vector<RankGpu> gather_gpus(Communicator& world, core::Device device) {
  std::string mine;
  agree(world, [&] { mine = as_text(device); });
  std::vector<RankGpu> gpus;
  for (const std::string& text : world.gather_text(mine)) gpus.push_back(from_text(text));
  return gpus;
}

std::string shared_gpu(std::span<const RankGpu> gpus) {
  for (std::size_t second = 1; second < gpus.size(); ++second) {
    const RankGpu& gpu = gpus[second];
    const auto first = std::find_if(gpus.begin(), gpus.end(), [&](const RankGpu& other) {
      return other.host == gpu.host && other.bus_id == gpu.bus_id;
    });
    const auto rank = static_cast<std::size_t>(first - gpus.begin());
    if (rank == second) continue;
    return fmt::format("ranks {} and {} share GPU {} ({}) of {}", rank, second, gpu.bus_id,
                       gpu.name, gpu.host);
  }
  return "";
}

std::string mixed_models(std::span<const RankGpu> gpus) {
  for (std::size_t rank = 1; rank < gpus.size(); ++rank) {
    if (gpus[rank].name == gpus[0].name) continue;
    return fmt::format("rank 0 on {} has {}, rank {} on {} {}", gpus[0].host, gpus[0].name, rank,
                       gpus[rank].host, gpus[rank].name);
  }
  return "";
}

}  // namespace epi::dist
