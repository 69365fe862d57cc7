#include "train/threads.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace epi::train {
namespace {

std::string text_of(const cpu_set_t& mask) {
  std::string text(CPU_SETSIZE, '0');
  for (std::size_t core = 0; core < text.size(); ++core) {
    if (CPU_ISSET(core, &mask)) text[core] = '1';
  }
  return text;
}

/// The affinity mask of this thread, which launchers set when they bind ranks to cores; nothing
/// where there are more processors than cpu_set_t holds.
std::optional<cpu_set_t> own_mask() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) return std::nullopt;
  return mask;
}

std::string own_cores() {
  const std::optional<cpu_set_t> mask = own_mask();
  if (mask) return text_of(*mask);
  return std::string(std::max(1U, std::thread::hardware_concurrency()), '1');  // all of them
}

/// The cores that this process could be given: asks for all, gets those of its job or container,
/// and goes back to its own.
std::string cores_of_host() {
  const std::optional<cpu_set_t> before = own_mask();
  if (!before) return own_cores();
  cpu_set_t all;
  std::memset(&all, 0xFF, sizeof(all));
  (void)sched_setaffinity(0, sizeof(all), &all);
  std::string cores = own_cores();
  (void)sched_setaffinity(0, sizeof(*before), &*before);
  return cores;
}

std::int64_t count_of(const std::string& mask) {
  return std::count(mask.begin(), mask.end(), '1');
}

/// How many cores any of the masks allows.
std::int64_t count_of_union(std::span<const std::string> masks) {
  std::string all;
  for (const std::string& mask : masks) {
    all.resize(std::max(all.size(), mask.size()), '0');
    for (std::size_t core = 0; core < mask.size(); ++core) {
      if (mask[core] == '1') all[core] = '1';
    }
  }
  return count_of(all);
}

/// Whether a launcher has started this process; who starts one by hand has bound it on purpose.
bool launched(int ranks) {
  if (ranks > 1) return true;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"}) {
    if (std::getenv(name) != nullptr) return true;  // NOLINT(concurrency-mt-unsafe): at start
  }
  return false;
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

void warn_of_cores(std::span<const std::string> masks, int configured, bool by_launcher,
                   const core::Log& log) {
  const std::string idle = by_launcher ? binding_warning(masks, cores_of_host()) : "";
  if (!idle.empty()) log.warn("{}", idle);
  const std::int64_t threads = configured * static_cast<std::int64_t>(masks.size());
  const std::int64_t cores = count_of_union(masks);
  if (threads <= cores) return;
  log.warn("{} threads are configured for {} rank{} on {} core{}: they take turns; 0 fits them",
           threads, masks.size(), masks.size() == 1 ? "" : "s", cores, cores == 1 ? "" : "s");
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

std::string binding_warning(std::span<const std::string> masks, const std::string& host) {
  const std::int64_t used = count_of_union(masks);
  const std::int64_t all = count_of(host);
  if (used >= all) return {};
  const auto ranks = static_cast<std::int64_t>(masks.size());
  return fmt::format(
      "the launcher has bound {} rank{} of this host to {} of its {} cores and leaves {} idle; "
      "start "
      "with mpirun --bind-to none, or give each rank its cores with mpirun --map-by slot:PE={} or "
      "srun --cpus-per-task={}",
      ranks, ranks == 1 ? "" : "s", used, all, all - used, std::max<std::int64_t>(1, all / ranks),
      std::max<std::int64_t>(1, all / ranks));
}

int threads_per_rank(int configured, dist::Communicator& world, const core::Log& log) {
  std::vector<std::string> masks = {own_cores()};
  std::size_t rank = 0;
  if (world.size() > 1) {
    const std::unique_ptr<dist::Communicator> node = world.node_group();
    masks = node->gather_text(masks[0]);
    rank = static_cast<std::size_t>(node->rank());
  }
  if (world.rank() == 0) warn_of_cores(masks, configured, launched(world.size()), log);
  return configured > 0 ? configured : capped(share_of_cores(masks, rank));
}

}  // namespace epi::train
