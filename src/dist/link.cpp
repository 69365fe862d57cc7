#include "dist/link.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <limits>

namespace epi::dist {
namespace {

// A message that costs what its start costs, and one that costs what its bytes cost. In between lie
// all buckets.
constexpr std::int64_t kSmall = 1024;
constexpr std::int64_t kLarge = std::int64_t{1} << 21U;
constexpr int kSmallSums = 20;
constexpr int kLargeSums = 5;

constexpr std::size_t kMiB = std::size_t{1} << 20U;
constexpr double kLatencies = 10.0;
constexpr double kLeastMiB = 4.0;
constexpr double kMostMiB = 64.0;
constexpr std::size_t kUnknown = 8 * kMiB;

/// Seconds of the fastest of `times` sums, after one that is not counted.
double fastest(Communicator& world, const View& view, int times, Stream& stream) {
  using Clock = std::chrono::steady_clock;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i <= times; ++i) {
    const auto start = Clock::now();
    world.start(Reduce::sum, view, Event::record(stream)).wait(stream);
    stream.synchronize();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (i > 0) best = std::min(best, seconds);
  }
  return best;
}

}  // namespace

Link measure_sums(Communicator& world, core::Device device) {
  if (world.size() == 1) return {};
  const core::Tensor memory = world.reducible(core::DType::f32, kLarge, device);
  Stream stream(device);
  world.barrier();
  std::array<double, 2> seconds = {
      fastest(world, memory.view().slice(0, kSmall), kSmallSums, stream),
      fastest(world, memory.view().slice(0, kLarge), kLargeSums, stream)};
  // A sum is over when the slowest rank has it.
  Stream host(core::kCpu);
  world.start(Reduce::max, View(seconds.data(), {2}), {}).wait(host);
  const auto bytes = static_cast<double>((kLarge - kSmall) * std::int64_t{sizeof(float)});
  // On a clock that sees no difference, all of it is bytes.
  const double transfer_s = std::max(seconds[1] - seconds[0], 0.1 * seconds[1]);
  return {.latency_s = seconds[0], .bytes_per_s = bytes / std::max(transfer_s, 1e-9)};
}

std::size_t bucket_bytes_for(const Link& link) {
  if (!link.known()) return kUnknown;
  const double wish = kLatencies * link.latency_s * link.bytes_per_s / static_cast<double>(kMiB);
  const double mib = std::exp2(std::round(std::log2(std::clamp(wish, kLeastMiB, kMostMiB))));
  return static_cast<std::size_t>(mib) * kMiB;
}

}  // namespace epi::dist
