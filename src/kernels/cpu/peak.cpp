#include "kernels/cpu/peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/peak_loops.hpp"
#include "kernels/cpu/pool.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr int kTrials = 9;  // the best one: anything else on the machine only slows it
constexpr std::int64_t kRounds = 1'000'000;  // about 20 ms at 3 GHz

}  // namespace

double measure_peak(int threads) {
  const PeakLoops& loops = pick(base::peak_loops, v3::peak_loops, v4::peak_loops);
  Pool pool(threads);
  std::vector<float> sums(static_cast<std::size_t>(threads));
  double best_s = 1e9;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = std::chrono::steady_clock::now();
    // A factor below 1 keeps the sums finite; sums are stored so that no trial is optimised away.
    pool.run(threads, [&](std::int64_t task, int) {
      sums[static_cast<std::size_t>(task)] = loops.multiply_add(kRounds, 0.5F, 1.0F);
    });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best_s = std::min(best_s, taken.count());
  }
  return static_cast<double>(loops.flops_per_round * kRounds) * threads / best_s;
}

}  // namespace epi::kernels::cpu
