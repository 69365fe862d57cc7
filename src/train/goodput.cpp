// One table of causes feeds the text, the events and the reading of events, so that no part of the
// time is in one and not in the others.
#include "train/goodput.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <optional>
#include <string_view>

#include "core/duration.hpp"
#include "core/files.hpp"
#include "train/strict_json.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

struct Cause {
  double TimeUse::*seconds;
  const char* name;  ///< for people
  const char* key;   ///< in events.jsonl
};
constexpr std::array<Cause, 7> kCauses = {
    {{&TimeUse::start_s, "start", "lost_start_s"},
     {&TimeUse::checkpoint_s, "checkpoints", "lost_checkpoint_s"},
     {&TimeUse::evaluate_s, "evaluation", "lost_evaluate_s"},
     {&TimeUse::exchange_s, "exposed exchange", "lost_exchange_s"},
     {&TimeUse::skipped_s, "skipped steps", "lost_skipped_s"},
     {&TimeUse::redone_s, "redone steps", "lost_redone_s"},
     {&TimeUse::down_s, "down", "lost_down_s"}}};
constexpr const char* kWallKey = "wall_s";
constexpr const char* kBegunKey = "begun_unix_s";
constexpr const char* kUsefulKey = "useful_s";
/// Less than this share of the time is not worth a word.
constexpr double kWorthSaying = 1e-3;

double number(const Json& event, const char* key) {
  return event.contains(key) && event[key].is_number() ? event[key].get<double>() : 0.0;
}

TimeUse use_of(const Json& event) {
  TimeUse use;
  use.wall_s = number(event, kWallKey);
  use.useful_s = number(event, kUsefulKey);
  for (const Cause& cause : kCauses) use.*cause.seconds = number(event, cause.key);
  return use;
}

/// Seconds since 1970 of "2026-11-21T20:46:49Z".
std::optional<double> time_of(const Json& event) {
  if (!event.contains("time") || !event["time"].is_string()) return std::nullopt;
  std::tm parts{};
  const auto text = event["time"].get<std::string>();
  if (::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr) return std::nullopt;
  return static_cast<double>(::timegm(&parts));
}

/// When a file was written last; nothing without it.
std::optional<double> changed_at(const fs::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return static_cast<double>(status.st_mtim.tv_sec) +
         1e-9 * static_cast<double>(status.st_mtim.tv_nsec);
}

std::string text_of(const fs::path& path) {
  std::error_code unknown;  // reading it then says why
  return fs::exists(path, unknown) || unknown ? core::read_text(path) : "";
}

/// The step at the begin of the last whole line; 0 when there is none.
std::int64_t last_step_in(std::string_view rows) {
  const std::size_t end = rows.rfind('\n');
  if (end == std::string_view::npos || end == 0) return 0;
  const std::size_t before = rows.rfind('\n', end - 1);
  if (before == std::string_view::npos) return 0;  // the header
  return std::strtoll(rows.data() + before + 1, nullptr, 10);
}

/// In a whole life the first time of a step that is done twice is the lost one.
TimeUse in_life(TimeUse process) {
  process.useful_s += process.redone_s;
  process.redone_s = 0.0;
  return process;
}

/// Adds up the processes of a run, event after event.
class LifeReader {
 public:
  void take(const Json& event) {
    const bool named = event.contains("event") && event["event"].is_string();
    const std::string name = named ? event["event"].get<std::string>() : "";
    if (name == "start") return begin(event);
    if (!event.contains(kWallKey)) return;
    present_ = use_of(event);
    complete_ = name == "end";
    orderly_ = complete_ || name == "stop";
  }

  [[nodiscard]] RunLife finish(double last_sign, double begun_unix_s) {
    if (life_.starts == 0) return life_;
    close();
    // An orderly end saved its last step. Its figures, of one clock, say when it was to a second.
    const double told = begun_at_ + present_.wall_s;
    life_.lost_s = orderly_ ? 0.0 : std::max(0.0, last_sign - told);
    // By one clock: what is not in the figures and is no loss either, nobody worked. Nobody had to
    // once the run was complete.
    life_.down_s = complete_ ? 0.0 : std::max(0.0, begun_unix_s - std::max(last_sign, told));
    add_gap(life_.down_s, life_.lost_s);
    return life_;
  }

 private:
  void begin(const Json& event) {
    if (life_.starts > 0) close();
    add_gap(number(event, "down_s"), number(event, "lost_s"));
    ++life_.starts;
    present_ = use_of(event);
    orderly_ = complete_ = false;
    // Events of early programs have their time only, in whole seconds.
    begun_at_ = event.contains(kBegunKey) ? number(event, kBegunKey)
                                          : time_of(event).value_or(0.0) - present_.wall_s;
  }
  void close() {
    life_.sum += in_life(present_);
    if (!orderly_) ++life_.failures;
  }
  void add_gap(double down_s, double lost_s) {
    life_.sum += {.wall_s = down_s + lost_s, .redone_s = lost_s, .down_s = down_s};
  }

  RunLife life_;
  TimeUse present_;
  double begun_at_ = 0.0;
  bool orderly_ = false;   // saved its last step
  bool complete_ = false;  // and that was the last one of the run
};

}  // namespace

double TimeUse::other_s() const {
  double known = useful_s;
  for (const Cause& cause : kCauses) known += this->*cause.seconds;
  return std::max(0.0, wall_s - known);
}

double TimeUse::goodput() const {
  return wall_s > 0.0 ? useful_s / wall_s : 0.0;
}

TimeUse& TimeUse::operator+=(const TimeUse& more) {
  wall_s += more.wall_s;
  useful_s += more.useful_s;
  for (const Cause& cause : kCauses) this->*cause.seconds += more.*cause.seconds;
  return *this;
}

std::string TimeUse::text() const {
  std::string lost;
  const auto tell = [&](const char* name, double seconds) {
    if (seconds < kWorthSaying * wall_s || seconds <= 0.0) return;
    lost +=
        fmt::format("{}{} {}", lost.empty() ? "lost: " : ", ", name, core::duration_text(seconds));
  };
  for (const Cause& cause : kCauses) tell(cause.name, this->*cause.seconds);
  tell("other", other_s());
  return fmt::format("{:.1f} % of {}{}{}{}", 100.0 * goodput(), core::duration_text(wall_s),
                     lost.empty() ? "" : " (", lost, lost.empty() ? "" : ")");
}

std::vector<EventField> TimeUse::fields() const {
  std::vector<EventField> fields = {{kWallKey, wall_s}, {kUsefulKey, useful_s}};
  for (const Cause& cause : kCauses) fields.push_back({cause.key, this->*cause.seconds});
  return fields;
}

RunLife read_life(const fs::path& metrics, const fs::path& events, std::int64_t step,
                  double begun_unix_s) {
  LifeReader reader;
  std::string_view rest;
  const std::string text = text_of(events);
  rest = text;
  for (std::size_t end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    const Json event = Json::parse(rest.substr(0, end), nullptr, /*allow_exceptions=*/false);
    rest.remove_prefix(end + 1);
    if (event.is_object() && number(event, "step") <= static_cast<double>(step)) reader.take(event);
  }
  const double last_sign =
      std::max(changed_at(metrics).value_or(0.0), changed_at(events).value_or(0.0));
  RunLife life = reader.finish(last_sign, begun_unix_s);
  life.last_step = last_step_in(text_of(metrics));
  return life;
}

TimeUse with_present(const RunLife& life, const TimeUse& present) {
  TimeUse all = life.sum;
  all += in_life(present);
  return all;
}

std::int64_t best_cadence(const CheckpointCosts& costs) {
  const double young_s = std::sqrt(2.0 * costs.wait_s * costs.between_failures_s);
  const double seconds = std::max(young_s, 2.0 * costs.write_s);
  return std::max<std::int64_t>(1, std::llround(seconds / costs.step_s));
}

std::string cadence_hint(const CheckpointCosts& costs) {
  const std::int64_t best = best_cadence(costs);
  const std::string set =
      costs.every > 0
          ? fmt::format("checkpoint.every = {} is {}", costs.every,
                        core::duration_text(static_cast<double>(costs.every) * costs.step_s))
          : std::string("checkpoint.every = 0 saves at the end only");
  return fmt::format(
      "{}; steps wait {} for a checkpoint, which takes up to {} to write: with a failure every {}, "
      "one every {} steps ({}) loses least time (Young/Daly)",
      set, core::duration_text(costs.wait_s), core::duration_text(costs.write_s),
      core::duration_text(costs.between_failures_s), best,
      core::duration_text(static_cast<double>(best) * costs.step_s));
}

}  // namespace epi::train
