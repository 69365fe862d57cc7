// Ranks hand rank 0 their events as text, one after the other, so that it holds one rank's at a
// time.
#include "train/trace_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <span>

#include "core/error.hpp"
#include "core/files.hpp"
#include "train/output_file.hpp"
#include "train/strict_json.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, kNumTracks> kTrackNames = {"host", "steps", "exchange"};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "?";
}

/// A line of the list; broken text (of a file system, say) becomes readable text.
void append_event(std::string& list, const Json& event) {
  if (!list.empty()) list += ",\n";
  list += event.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json name_event(const char* what, int rank, int line, const std::string& name) {
  return {{"ph", "M"}, {"name", what}, {"pid", rank}, {"tid", line}, {"args", {{"name", name}}}};
}

Json span_event(const Span& span, const dist::ClockOffset& offset, int rank) {
  Json event = {{"ph", "X"},
                {"name", span.name},
                {"pid", rank},
                {"tid", static_cast<int>(span.track)},
                {"ts", 1e6 * (span.begin_s - offset.seconds)},
                {"dur", 1e6 * span.seconds}};
  for (const SpanNumber& number : span.numbers) event["args"][number.name] = number.value;
  return event;
}

/// What rank 0 and the others swap, in the order of ranks: a length, then so many bytes.
std::string receive_text(dist::Communicator& world, int from) {
  core::Stream none(core::kCpu);
  std::int64_t length = 0;
  std::int64_t nothing = 0;
  const core::View size(&length, {1});
  world.exchange(from, core::ConstView(&nothing, {1}), size, {}).wait(none);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(length));
  std::uint8_t dummy = 0;
  world.exchange(from, core::ConstView(&dummy, {1}), core::View(bytes.data(), {length}), {})
      .wait(none);
  return {bytes.begin(), bytes.end()};
}

void send_text(dist::Communicator& world, const std::string& text) {
  core::Stream none(core::kCpu);
  const auto length = static_cast<std::int64_t>(text.size());
  std::int64_t nothing = 0;
  world.exchange(0, core::ConstView(&length, {1}), core::View(&nothing, {1}), {}).wait(none);
  std::uint8_t dummy = 0;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  world.exchange(0, core::ConstView(bytes, {length}), core::View(&dummy, {1}), {}).wait(none);
}

/// The file of rank 0, under its name once it is whole. After a failure it takes what comes and
/// keeps the reason.
class TraceFile {
 public:
  explicit TraceFile(const fs::path& path) : path_(path), beside_(path.string() + ".tmp") {
    attempt([&] {
      fs::remove(beside_);
      file_.emplace(beside_);
    });
  }
  void append(std::string_view text) {
    attempt([&] { file_->append(std::as_bytes(std::span(text))); });
  }
  /// Why it failed, if it did.
  [[nodiscard]] std::optional<std::string> finish() {
    attempt([&] {
      file_->finish();
      core::publish(beside_, path_);
    });
    return failure_;
  }

 private:
  template <class Body>
  void attempt(const Body& body) {
    if (failure_) return;
    try {
      body();
    } catch (const core::Error& error) {
      failure_ = error.what();
    } catch (const fs::filesystem_error& error) {
      failure_ = error.what();
    }
  }

  fs::path path_, beside_;
  std::optional<OutputFile> file_;
  std::optional<std::string> failure_;
};

}  // namespace

std::string trace_events(const std::vector<Span>& spans, const dist::ClockOffset& offset, int rank,
                         const std::string& host) {
  std::string list;
  append_event(list, name_event("process_name", rank, 0,
                                fmt::format("rank {} on {}, clock within {:.1f} us", rank, host,
                                            1e6 * offset.error_s)));
  for (int line = 0; line < kNumTracks; ++line) {
    append_event(list, name_event("thread_name", rank, line,
                                  kTrackNames.at(static_cast<std::size_t>(line))));
  }
  for (const Span& span : spans) append_event(list, span_event(span, offset, rank));
  return list;
}

std::optional<std::string> write_trace(const fs::path& path, const std::vector<Span>& spans,
                                       const dist::ClockOffset& offset, dist::Communicator& world) {
  const std::string mine = trace_events(spans, offset, world.rank(), host_name());
  if (world.rank() != 0) {
    send_text(world, mine);
    return std::nullopt;
  }
  TraceFile file(path);
  file.append("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
  file.append(mine);
  for (int rank = 1; rank < world.size(); ++rank) {
    file.append(",\n");
    file.append(receive_text(world, rank));
  }
  file.append("\n]}\n");
  return file.finish();
}

}  // namespace epi::train
