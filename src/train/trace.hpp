// What happened when in a few steps of this rank: spans of steps, their parts, the ops within, the
// buckets of the exchange, evaluations and checkpoints. trace_file.hpp merges the ranks.
//
// Spans of a device are between marks of its streams, so they show when work ran rather than when
// it was queued; nobody waits for them before `spans`. A step that is traced runs outside of
// graphs, on the same kernels and to the same bits; its gaps are a little longer.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/device.hpp"
#include "core/profiler_range.hpp"
#include "kernels/profile.hpp"

namespace epi::train {

/// The line of a rank on which a span is drawn. Spans of one line nest.
enum class Track : std::uint8_t {
  host,      ///< evaluation, checkpoints, reports
  steps,     ///< steps, their parts, ops
  exchange,  ///< buckets of gradients
};
inline constexpr int kNumTracks = 3;

/// A number that a span shows when it is clicked.
struct SpanNumber {
  std::string name;
  double value = 0.0;
};

struct Span {
  Track track = Track::host;
  std::string name;
  double begin_s = 0.0;  ///< by this rank's steady clock
  double seconds = 0.0;
  std::vector<SpanNumber> numbers;
};

class Trace {
 public:
  using Clock = std::chrono::steady_clock;

  /// `stream` is the one that steps are queued in, with nothing in it under way; it must outlive
  /// this. Waits for the device once, to know its clock by the host's.
  explicit Trace(core::Stream& stream);

  /// A span of the host's time.
  void add(Track track, std::string name, Clock::time_point begin, Clock::time_point end);
  /// A span between two marks of the device, which need not be reached yet.
  void add(Track track, std::string name, core::Mark begin, core::Mark end,
           std::vector<SpanNumber> numbers = {});
  /// Calls of ops that were made since, on the line of steps.
  void add(std::vector<kernels::Profile::Call> calls);

  /// What has happened, in the order of begins, a span before those within. Waits for the device.
  [[nodiscard]] std::vector<Span> spans() const;

 private:
  /// A span of the device whose times are not read.
  struct Queued {
    Track track;
    std::string name;
    core::Mark begin, end;
    std::vector<SpanNumber> numbers;
  };
  core::Mark origin_;
  double origin_s_ = 0.0;  // by the host's clock
  std::vector<Span> known_;
  std::vector<Queued> queued_;
};

/// Runs `body`, which queues work in `stream`: a range for profilers, and a span of `trace` on the
/// line of steps where there is one.
template <class Body>
void traced(Trace* trace, const char* name, core::Stream& stream, const Body& body) {
  const core::ProfilerRange range(name);
  if (trace == nullptr) return body();
  core::Mark begin(stream.device()), end(stream.device());
  begin.set(stream);
  body();
  end.set(stream);
  trace->add(Track::steps, name, std::move(begin), std::move(end));
}

}  // namespace epi::train
