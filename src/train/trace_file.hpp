// The traces of all ranks in one file that chrome://tracing, ui.perfetto.dev and the like open:
// a process a rank, a thread a line, times by rank 0's clock.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "dist/clock_offset.hpp"
#include "train/trace.hpp"

namespace epi::train {

/// Writes the file on rank 0. Collective. Returns why there is none, on rank 0 alone: a full disk
/// ends no run. Throws CommError or PeerError.
///
/// Format: Chrome's trace events as a JSON object, "X" events in microseconds
/// (https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU).
[[nodiscard]] std::optional<std::string> write_trace(const std::filesystem::path& path,
                                                     const std::vector<Span>& spans,
                                                     const dist::ClockOffset& offset,
                                                     dist::Communicator& world);

/// The events of one rank, as elements of a JSON list without its brackets: names of the process
/// and its lines, then the spans. `host` is the machine's name.
[[nodiscard]] std::string trace_events(const std::vector<Span>& spans,
                                       const dist::ClockOffset& offset, int rank,
                                       const std::string& host);

}  // namespace epi::train
