// Seconds of equal calls, by the clock of the device that does them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include "bench_report.hpp"
#include "core/device.hpp"

namespace epi::launch {

/// As RepeatedTimes, of marks that follow one another in a stream: calls are queued without waiting
/// in between, so what a launch costs the host shows only where the device is faster than the host.
template <class Work>
[[nodiscard]] std::vector<double> marked_seconds(core::Stream& stream, std::size_t calls,
                                                 const Work& work) {
  std::vector<core::Mark> marks;
  for (std::size_t i = 0; i <= calls; ++i) marks.emplace_back(stream.device());
  marks.front().set(stream);
  for (std::size_t i = 1; i <= calls; ++i) {
    work();
    marks[i].set(stream);
  }
  marks.back().synchronize();
  std::vector<double> seconds;
  for (std::size_t i = 1; i <= calls; ++i) {
    seconds.push_back(marks[i].seconds_since(marks[i - 1]));
  }
  return seconds;
}

/// Seconds that `work` takes, after warming up (first calls plan and allocate), until `budget_s` is
/// spent. On the CPU one call warms up and at least three are timed; on other devices ten warm up
/// and at least ten are timed.
template <class Work>
[[nodiscard]] RepeatedTimes time_repeated(core::Stream& stream, double budget_s, const Work& work) {
  constexpr std::size_t kMost = 10'000;
  const bool host = stream.device() == core::kCpu;
  const std::size_t least = host ? 3 : 10;
  for (std::size_t i = 0; i < (host ? 1 : least); ++i) work();
  stream.synchronize();
  std::vector<double> seconds;
  const auto begin = std::chrono::steady_clock::now();
  const auto spent = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  while (seconds.size() < least || (spent() < budget_s && seconds.size() < kMost)) {
    const std::vector<double> more = marked_seconds(stream, host ? 1 : least, work);
    seconds.insert(seconds.end(), more.begin(), more.end());
  }
  return RepeatedTimes(std::move(seconds));
}

}  // namespace epi::launch
