#include "train/scaling_point.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/error.hpp"
#include "core/files.hpp"
#include "train/strict_json.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "epitrain-scaling";
constexpr int kVersion = 1;
constexpr int kMostRanks = 1 << 20;

ScalingKind kind_named(const std::string& name, const std::string& file) {
  if (name == "weak") return ScalingKind::weak;
  if (name == "strong") return ScalingKind::strong;
  throw core::FormatError(fmt::format("{}: kind \"{}\": expected weak or strong", file, name));
}

Json json_of(const ScalingSetting& s) {
  return {{"program", s.program},
          {"kernels", s.kernels},
          {"precision", s.precision},
          {"model", s.model},
          {"tokens", s.tokens},
          {"micro_batch", s.micro_batch},
          {"parameters", s.parameters},
          {"flops_per_token", s.flops_per_token},
          {"gradient_bytes", s.gradient_bytes},
          {"overlaps", s.overlaps}};
}

Json json_of(const ScalingSteps& s) {
  return {{"kind", name_of(s.kind)},    {"windows", s.windows},    {"step_s", s.step_s},
          {"alone_s", s.alone_s},       {"input_s", s.input_s},    {"compute_s", s.compute_s},
          {"exchange_s", s.exchange_s}, {"exposed_s", s.exposed_s}};
}

/// Reads keys of one object and checks what every number of the format must be.
class Reader {
 public:
  Reader(const Json& object, const std::string& file) : object_(object), file_(file) {}

  std::string text(const char* key) const { return json_value<std::string>(object_, key, file_); }
  bool flag(const char* key) const { return json_value<bool>(object_, key, file_); }
  /// Finite and at least `least`.
  double number(const char* key, double least = 0.0) const {
    const auto value = json_value<double>(object_, key, file_);
    if (!(std::isfinite(value) && value >= least)) refuse(key, least);
    return value;
  }
  std::int64_t count(const char* key, std::int64_t least, std::int64_t most) const {
    const auto value = json_value<std::int64_t>(object_, key, file_);
    if (value < least || value > most) refuse(key, static_cast<double>(least));
    return value;
  }
  const Json& list(const char* key) const {
    if (!object_.contains(key) || !object_.at(key).is_array()) {
      throw core::FormatError(fmt::format("{}: key \"{}\": expected a list", file_, key));
    }
    return object_.at(key);
  }

 private:
  [[noreturn]] void refuse(const char* key, double least) const {
    throw core::FormatError(fmt::format("{}: key \"{}\": {} is out of bounds (at least {})", file_,
                                        key, object_.at(key).dump(), least));
  }
  const Json& object_;
  const std::string& file_;
};

constexpr double kLeastSeconds = 1e-12;
constexpr std::int64_t kMostCount = std::int64_t{1} << 50;

ScalingSetting setting_of(const Json& json, const std::string& file) {
  const Reader r(json, file);
  return {.program = r.text("program"),
          .kernels = r.text("kernels"),
          .precision = r.text("precision"),
          .model = r.text("model"),
          .tokens = r.count("tokens", 1, kMostCount),
          .micro_batch = r.count("micro_batch", 1, kMostCount),
          .parameters = r.count("parameters", 1, kMostCount),
          .flops_per_token = r.number("flops_per_token", 1.0),
          .gradient_bytes = r.number("gradient_bytes", 1.0),
          .overlaps = r.flag("overlaps")};
}

ScalingSteps steps_of(const Json& json, const std::string& file) {
  const Reader r(json, file);
  return {.kind = kind_named(r.text("kind"), file),
          .windows = r.count("windows", 1, kMostCount),
          .step_s = r.number("step_s", kLeastSeconds),
          .alone_s = r.number("alone_s", kLeastSeconds),
          .input_s = r.number("input_s"),
          .compute_s = r.number("compute_s"),
          .exchange_s = r.number("exchange_s"),
          .exposed_s = r.number("exposed_s")};
}

/// The first thing that two settings differ in, as "model: base and tiny"; "" when in nothing.
std::string difference(const ScalingSetting& a, const ScalingSetting& b) {
  const Json left = json_of(a), right = json_of(b);
  for (const auto& [key, value] : left.items()) {
    if (value != right.at(key)) {
      return fmt::format("{}: {} and {}", key, value.dump(), right.at(key).dump());
    }
  }
  return "";
}

/// Windows of the strong steps; 0 where there are none.
std::int64_t strong_windows(const ScalingPoint& point) {
  for (const ScalingSteps& steps : point.steps) {
    if (steps.kind == ScalingKind::strong) return steps.windows;
  }
  return 0;
}

using NamedPoint = std::pair<std::string, ScalingPoint>;

/// InputError where a study of both would compare unlike things.
void require_alike(const NamedPoint& a, const NamedPoint& b) {
  const std::string differs = difference(a.second.setting, b.second.setting);
  if (!differs.empty()) {
    throw core::InputError(
        fmt::format("{} and {} were not measured alike: {}", a.first, b.first, differs));
  }
  const std::int64_t left = strong_windows(a.second), right = strong_windows(b.second);
  if (left == right || left == 0 || right == 0) return;
  throw core::InputError(fmt::format(
      "{} and {} have strong steps of {} and {} windows, which are not the same work: measure them "
      "again with one --global-batch, or report --ranks that are alike",
      a.first, b.first, left, right));
}

}  // namespace

ScalingSteps with_compute(ScalingSteps steps) {
  // Quartiles of two clocks: the part may come out longer than the whole.
  steps.exposed_s = std::min(steps.exposed_s, steps.exchange_s);
  steps.compute_s = std::max(0.0, steps.step_s - steps.input_s - steps.exposed_s);
  return steps;
}

const char* name_of(ScalingKind kind) {
  return kind == ScalingKind::weak ? "weak" : "strong";
}

std::string text_of(const ScalingPoint& point) {
  Json json = {{"format", kFormat},
               {"version", kVersion},
               {"setting", json_of(point.setting)},
               {"ranks", point.ranks},
               {"ranks_per_node", point.ranks_per_node},
               {"world", point.world},
               {"buckets", point.buckets},
               {"sums", Json::array()},
               {"steps", Json::array()}};
  for (const dist::ExchangeSample& sum : point.sums) {
    json["sums"].push_back({{"bytes", sum.bytes}, {"seconds", sum.seconds}});
  }
  for (const ScalingSteps& steps : point.steps) json["steps"].push_back(json_of(steps));
  return json.dump(2) + "\n";
}

ScalingPoint parse_scaling_point(const std::string& text, const std::string& file) {
  const Json json = parse_json(text, file);
  const Reader r(json, file);
  if (r.text("format") != kFormat || r.count("version", 0, kMostCount) != kVersion) {
    throw core::FormatError(
        fmt::format("{}: expected format {}, version {}", file, kFormat, kVersion));
  }
  ScalingPoint point;
  point.setting = setting_of(json_value<Json>(json, "setting", file), file);
  point.ranks = static_cast<int>(r.count("ranks", 1, kMostRanks));
  point.ranks_per_node = static_cast<int>(r.count("ranks_per_node", 1, point.ranks));
  point.world = r.text("world");
  point.buckets = r.count("buckets", 0, kMostCount);
  for (const Json& sum : r.list("sums")) {
    const Reader s(sum, file);
    point.sums.push_back({point.ranks, point.ranks_per_node, s.number("bytes", 1.0),
                          s.number("seconds", kLeastSeconds)});
  }
  for (const Json& steps : r.list("steps")) point.steps.push_back(steps_of(steps, file));
  return point;
}

std::string scaling_file(int ranks) {
  return fmt::format("ranks-{:04}.json", ranks);
}

std::vector<ScalingPoint> read_scaling_points(const fs::path& folder,
                                              const std::vector<int>& wanted) {
  std::map<int, NamedPoint> by_ranks;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("ranks-") || !name.ends_with(".json")) continue;
    const std::string file = entry.path().string();
    ScalingPoint point = parse_scaling_point(core::read_text(entry.path()), file);
    const int ranks = point.ranks;
    if (!wanted.empty() && std::ranges::find(wanted, ranks) == wanted.end()) continue;
    if (!by_ranks.emplace(ranks, std::pair{file, std::move(point)}).second) {
      throw core::InputError(
          fmt::format("{}: {} ranks are in {} too", file, ranks, by_ranks.at(ranks).first));
    }
  }
  if (by_ranks.empty()) {
    throw core::MissingError(
        fmt::format("{}: no ranks-N.json {}; epitrain scale --measure writes them", folder.string(),
                    wanted.empty() ? "here" : fmt::format("of {} ranks", fmt::join(wanted, ", "))));
  }
  std::vector<ScalingPoint> points;
  for (const auto& [ranks, named] : by_ranks) {
    for (const auto& [fewer, other] : by_ranks) {
      if (fewer < ranks) require_alike(other, named);
    }
    points.push_back(named.second);
  }
  return points;
}

}  // namespace epi::train
