#include "train/metrics.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>

#include "core/files.hpp"
#include "train/sample_fingerprint.hpp"
#include "train/strict_json.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHeader =
    "step,epoch,samples,tokens,lr,loss,dna_loss,state_loss,dna_accuracy,grad_norm,skipped,"
    "tokens_per_s,seconds,fingerprint\n";
// Of programs that knew no fingerprint; their rows get an empty one.
constexpr std::string_view kOlderHeader =
    "step,epoch,samples,tokens,lr,loss,dna_loss,state_loss,dna_accuracy,grad_norm,skipped,"
    "tokens_per_s,seconds\n";

// Lines that end: what a killed process left of its last line is dropped.
std::vector<std::string_view> whole_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t end = text.find('\n'); end != text.npos; end = text.find('\n')) {
    lines.push_back(text.substr(0, end + 1));
    text.remove_prefix(end + 1);
  }
  return lines;
}

std::optional<std::int64_t> csv_step(std::string_view line) {
  std::int64_t step = 0;
  const auto parsed = std::from_chars(line.data(), line.data() + line.size(), step);
  if (parsed.ec != std::errc() || *parsed.ptr != ',') return std::nullopt;
  return step;
}

std::optional<std::int64_t> event_step(std::string_view line) {
  const Json event = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!event.is_object() || !event.contains("step")) return std::nullopt;
  return event["step"].is_number_integer() ? std::optional(event["step"].get<std::int64_t>())
                                           : std::nullopt;
}

void trim_csv(const fs::path& path, std::int64_t step) {
  std::string kept(kHeader);
  std::error_code unknown;  // reading it then says why
  if (fs::exists(path, unknown) || unknown) {
    const std::string text = core::read_text(path);
    const auto lines = whole_lines(text);
    const bool older = !lines.empty() && lines.front() == kOlderHeader;
    if (!lines.empty() && !older && lines.front() != kHeader) {
      throw core::FormatError(path.string() +
                              ": other columns than this program writes; move it away");
    }
    for (const std::string_view line : lines) {
      const auto at = csv_step(line);
      if (!at || *at > step) continue;
      kept += older ? fmt::format("{},\n", line.substr(0, line.size() - 1)) : std::string(line);
    }
  }
  core::write_durably(path, std::string_view(kept));
}

/// Lines without a step go too: nothing says whether they lie past the checkpoint.
void trim_events(const fs::path& path, std::int64_t step) {
  std::string kept;
  std::error_code unknown;  // reading it then says why
  if (fs::exists(path, unknown) || unknown) {
    const std::string text = core::read_text(path);
    for (const std::string_view line : whole_lines(text)) {
      const auto at = event_step(line);
      if (at && *at <= step) kept += line;
    }
  }
  core::write_durably(path, std::string_view(kept));
}

}  // namespace

LineFile::LineFile(fs::path path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw core::IoError(fmt::format("{}: {}", path_.string(), std::strerror(errno)));
  }
}

LineFile::~LineFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// One write call per line: a kill leaves whole lines and at most one torn one. What is refused, the
// rest of a torn line included, waits for the next.
void LineFile::append(std::string_view line) {
  waiting_ += line;
  trouble_.clear();
  while (!waiting_.empty()) {
    const ssize_t written = ::write(descriptor_, waiting_.data(), waiting_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      trouble_ = fmt::format("{}: {}", path_.string(), std::strerror(errno));
      return;
    }
    waiting_.erase(0, static_cast<std::size_t>(written));
  }
}

// Trimmed before they are opened: trimming replaces the files.
MetricsLog::MetricsLog(const fs::path& csv, const fs::path& events, std::int64_t step)
    : csv_((trim_csv(csv, step), csv)), events_((trim_events(events, step), events)) {}

const std::string& MetricsLog::trouble() const {
  return csv_.trouble().empty() ? events_.trouble() : csv_.trouble();
}

void MetricsLog::flush() {
  csv_.append("");
  events_.append("");
  if (!trouble().empty()) throw core::IoError(trouble());
}

void MetricsLog::add(const MetricsRow& row) {
  csv_.append(fmt::format("{},{},{},{},{},{},{},{},{},{},{},{:.1f},{:.6f},{}\n", row.step,
                          row.epoch, row.samples, row.tokens, row.learning_rate, row.loss,
                          row.dna_loss, row.state_loss, row.dna_accuracy, row.gradient_norm,
                          row.skipped ? 1 : 0, row.tokens_per_s, row.seconds,
                          fingerprint_text(row.fingerprint)));
}

void MetricsLog::event(const std::string& name, std::int64_t step,
                       const std::vector<EventField>& fields) {
  Json line = {{"event", name},
               {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
               {"step", step}};
  for (const EventField& field : fields) {
    std::visit([&](const auto& value) { line[field.key] = value; }, field.value);
  }
  events_.append(line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace epi::train
