#include "train/threads.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

namespace epi::train {
namespace {

/// The affinity mask of this process, which launchers set when they bind ranks to cores.
std::string own_mask() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) {
    // More processors than cpu_set_t holds: take all of them as allowed.
    return std::string(std::max(1U, std::thread::hardware_concurrency()), '1');
  }
  std::string text(CPU_SETSIZE, '0');
  for (std::size_t core = 0; core < text.size(); ++core) {
    if (CPU_ISSET(core, &mask)) text[core] = '1';
  }
  return text;
}

bool overlap(const std::string& a, const std::string& b) {
  const std::size_t cores = std::min(a.size(), b.size());
  for (std::size_t core = 0; core < cores; ++core) {
    if (a[core] == '1' && b[core] == '1') return true;
  }
  return false;
}

/// OMP_NUM_THREADS, or `threads` where it is not set; "4,2" means 4 and nonsense sets nothing.
int capped(int threads) {
  const char* text = std::getenv("OMP_NUM_THREADS");  // NOLINT(concurrency-mt-unsafe): at start
  const int cap = text != nullptr ? std::atoi(text) : 0;
  return cap > 0 ? std::min(cap, threads) : threads;
}

}  // namespace

int share_of_cores(std::span<const std::string> masks, std::size_t rank) {
  const std::string& mine = masks[rank];
  const auto sharers = std::count_if(
      masks.begin(), masks.end(), [&](const std::string& other) { return overlap(mine, other); });
  const auto cores = std::count(mine.begin(), mine.end(), '1');
  return static_cast<int>(
      std::max<std::ptrdiff_t>(1, cores / std::max<std::ptrdiff_t>(1, sharers)));
}

int threads_per_rank(int configured, dist::Communicator& world) {
  if (configured > 0) return configured;
  std::vector<std::string> masks = {own_mask()};
  std::size_t rank = 0;
  if (world.size() > 1) {
    const std::unique_ptr<dist::Communicator> node = world.node_group();
    masks = node->gather_text(masks[0]);
    rank = static_cast<std::size_t>(node->rank());
  }
  return capped(share_of_cores(masks, rank));
}

}  // namespace epi::train
