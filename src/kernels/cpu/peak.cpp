#include "kernels/cpu/peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/peak_loops.hpp"
#include "kernels/cpu/pool.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr int kTrials = 9;  // the best one: anything else on the machine only slows it
constexpr std::int64_t kRounds = 1'000'000;                 // 3 to 6 ms at 3.5 GHz
constexpr std::size_t kTrialBytes = std::size_t{1} << 26U;  // 64 MiB a trial: 1 to 2 ms
constexpr std::size_t kLine = 64;

const PeakLoops& loops() {
  return pick(base::peak_loops, v3::peak_loops, v4::peak_loops);
}

/// The least seconds that all threads need for `body(thread)`, which returns a number to keep its
/// work alive.
template <class Body>
double best_seconds(Pool& pool, const Body& body) {
  const int threads = pool.threads();
  std::vector<float> kept(static_cast<std::size_t>(threads));
  double best_s = 1e9;
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto start = std::chrono::steady_clock::now();
    pool.run(threads,
             [&](std::int64_t task, int) { kept[static_cast<std::size_t>(task)] = body(task); });
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    best_s = std::min(best_s, taken.count());
  }
  return best_s;
}

/// The part of the working set that each thread walks over, cut into `arrays` equal ones.
struct Walk {
  std::size_t array_bytes;  ///< of one array of one thread, in whole cache lines
  std::size_t passes;       ///< so many that a trial lasts longer than starting its threads

  Walk(std::size_t bytes, int threads, std::size_t arrays)
      : array_bytes(
            std::max(kLine, bytes / (static_cast<std::size_t>(threads) * arrays) / kLine * kLine)),
        passes(std::max<std::size_t>(1, kTrialBytes / std::max(bytes, kLine))) {}
  [[nodiscard]] std::int64_t floats() const {
    return static_cast<std::int64_t>(array_bytes / sizeof(float));
  }
};

/// Bytes per second of `pass(first byte of this thread's part, walk)` over arrays of `memory`.
template <class Pass>
double rate(Pool& pool, const core::Buffer& memory, std::size_t arrays, const Pass& pass) {
  const Walk walk(memory.bytes(), pool.threads(), arrays);
  const std::size_t part = walk.array_bytes * arrays;
  const double seconds = best_seconds(pool, [&](std::int64_t task) {
    std::byte* first = memory.data() + static_cast<std::size_t>(task) * part;
    float kept = 0.0F;
    for (std::size_t i = 0; i < walk.passes; ++i) kept += pass(first, walk);
    return kept;
  });
  return static_cast<double>(part * walk.passes) * pool.threads() / seconds;
}

}  // namespace

double measure_peak(int threads) {
  Pool pool(threads);
  // A factor below 1 keeps the sums finite; sums are stored so that no trial is optimised away.
  const double seconds =
      best_seconds(pool, [](std::int64_t) { return loops().multiply_add(kRounds, 0.5F, 1.0F); });
  return static_cast<double>(loops().flops_per_round * kRounds) * threads / seconds;
}

double measure_peak_bf16(int threads) {
  if (!has_bf16() || loops().multiply_add_bf16 == nullptr) return 0.0;
  Pool pool(threads);
  const double seconds =
      best_seconds(pool, [](std::int64_t) { return loops().multiply_add_bf16(kRounds); });
  // Two products and two sums for each lane of four bytes: twice the operations of fp32.
  return static_cast<double>(2 * loops().flops_per_round * kRounds) * threads / seconds;
}

MemoryRates measure_memory(int threads, std::size_t bytes) {
  Pool pool(threads);
  const std::size_t least = static_cast<std::size_t>(threads) * 3 * kLine;
  const core::Buffer memory(core::kCpu, std::max(bytes, least));
  // Pages that nobody wrote are all one page of zeros, which caches hold; each thread writes its
  // own.
  const std::size_t part = memory.bytes() / static_cast<std::size_t>(threads);
  pool.run(threads, [&](std::int64_t task, int) {
    std::memset(memory.data() + static_cast<std::size_t>(task) * part, 1, part);
  });
  MemoryRates rates;
  rates.read = rate(pool, memory, 1, [](std::byte* first, const Walk& walk) {
    return loops().sum(reinterpret_cast<const float*>(first), walk.floats());
  });
  rates.copy = rate(pool, memory, 2, [](std::byte* first, const Walk& walk) {
    std::memcpy(first, first + walk.array_bytes, walk.array_bytes);
    return 0.0F;
  });
  rates.triad = rate(pool, memory, 3, [](std::byte* first, const Walk& walk) {
    auto* a = reinterpret_cast<float*>(first);
    loops().triad(a, a + walk.floats(), a + 2 * walk.floats(), 0.5F, walk.floats());
    return 0.0F;
  });
  // Times 0: numbers stay what they are, where others would end in infinity or in slow subnormals.
  rates.in_place = 2.0 * rate(pool, memory, 1, [](std::byte* first, const Walk& walk) {
                     auto* a = reinterpret_cast<float*>(first);
                     loops().triad(a, a, a, 0.0F, walk.floats());
                     return 0.0F;
                   });
  return rates;
}

}  // namespace epi::kernels::cpu
