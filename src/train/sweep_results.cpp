// The table of a sweep, from what its runs left on disk. Runs may still be going on: their files
// only grow, and a checkpoint appears whole.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <ranges>
#include <string_view>

#include "core/config.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "train/run_folder.hpp"
#include "train/strict_json.hpp"
#include "train/sweep.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

/// What the table says of one run; empty where the run has nothing to say.
struct CellResult {
  CellState state = CellState::missing;
  std::int64_t step = 0, steps = 0;
  std::map<std::string, std::string> of;  ///< column -> text
};

constexpr const char* kMeasured[] = {"ranks",
                                     "loss",
                                     "valid_dna_loss",
                                     "valid_dna_accuracy",
                                     "valid_bits_per_base",
                                     "valid_state_loss",
                                     "valid_state_accuracy",
                                     "tokens_per_s",
                                     "weights"};

const char* name_of(CellState state) {
  switch (state) {
    case CellState::missing:
      return "missing";
    case CellState::unfinished:
      return "unfinished";
    case CellState::done:
      return "done";
  }
  return "";
}

bool is_there(const fs::path& path) {
  std::error_code unknown;  // reading it then says why
  return fs::exists(path, unknown) || unknown;
}

/// A number of an event with six digits: a table for people, the files hold the rest.
std::string number(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  if (value.is_string()) return value.get<std::string>();
  return value.is_null() ? "" : value.dump();
}

void take(const Json& event, const char* key, const char* column, CellResult& result) {
  if (event.contains(key)) result.of[column] = number(event[key]);
}

/// The last start, evaluation and end count; a torn last line is one that is still being written.
void read_events(const fs::path& path, CellResult& result) {
  if (!is_there(path)) return;
  const std::string text = core::read_text(path);
  for (const auto line : std::views::split(std::string_view(text), '\n')) {
    const Json event = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
    if (!event.is_object()) continue;
    const std::string kind = event.value("event", "");
    if (kind == "start") {
      take(event, "ranks", "ranks", result);
      for (const char* ended : {"loss", "tokens_per_s"}) result.of.erase(ended);
    }
    if (kind == "eval") {
      for (const char* key :
           {"dna_loss", "dna_accuracy", "bits_per_base", "state_loss", "state_accuracy"}) {
        take(event, key, fmt::format("valid_{}", key).c_str(), result);
      }
    }
    if (kind == "end" || kind == "stop") {
      take(event, "loss", "loss", result);
      take(event, "tokens_per_s", "tokens_per_s", result);
    }
  }
}

/// A cell of a CSV row by its column's name; empty where the file has none.
std::string_view field(std::string_view header, std::string_view row, std::string_view column) {
  auto cells = std::views::split(row, ',');
  auto cell = cells.begin();
  for (const auto name : std::views::split(header, ',')) {
    if (cell == cells.end()) break;
    if (std::string_view(name.begin(), name.end()) == column) {
      return std::string_view((*cell).begin(), (*cell).end());
    }
    ++cell;
  }
  return {};
}

/// What a killed run had no time to say at its end: its last whole row has it.
void read_metrics(const fs::path& path, CellResult& result) {
  if (result.of.contains("loss") || !is_there(path)) return;
  const std::string text = core::read_text(path);
  std::vector<std::string_view> lines;  // whole ones: a torn one has no end
  for (std::size_t begin = 0, end = 0; (end = text.find('\n', begin)) != text.npos;
       begin = end + 1) {
    lines.push_back(std::string_view(text).substr(begin, end - begin));
  }
  if (lines.size() < 2) return;
  for (const char* column : {"loss", "tokens_per_s"}) {
    const std::string_view cell = field(lines.front(), lines.back(), column);
    double value = 0.0;
    const auto parsed = std::from_chars(cell.data(), cell.data() + cell.size(), value);
    if (parsed.ec == std::errc()) result.of[column] = number(Json(value));
  }
}

/// The newest checkpoint's folder by its number; those that end in .tmp or .damaged are none.
std::optional<fs::path> newest_checkpoint(const fs::path& checkpoints) {
  std::optional<fs::path> newest;
  std::int64_t last = -1;
  if (!is_there(checkpoints)) return newest;
  for (const auto& entry : fs::directory_iterator(checkpoints)) {
    const std::string name = entry.path().filename().string();
    constexpr std::string_view kPrefix = "step-";
    if (!name.starts_with(kPrefix)) continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, step);
    if (parsed.ec != std::errc() || parsed.ptr != end || step <= last) continue;
    last = step;
    newest = entry.path();
  }
  return newest;
}

/// Weights are not read: their digest stands in the manifest, and `pretrain` checks it.
void read_checkpoint(const fs::path& run, CellResult& result) {
  const auto folder = newest_checkpoint(RunFolder{run}.checkpoints());
  if (!folder) return;
  const std::string file = (*folder / "manifest.json").string();
  const Json manifest = parse_json(core::read_text(file), file);
  result.step = json_value<std::int64_t>(manifest, "step", file);
  const Json files = json_value<Json>(manifest, "files", file);
  const Json model = json_value<Json>(files, "model.safetensors", file);
  result.of["weights"] = json_value<std::string>(model, "xxh3_128", file);
  result.state = result.step >= result.steps ? CellState::done : CellState::unfinished;
}

/// A TOML value as a table shows it: texts without their quotes.
std::string shown(const std::string& value) {
  const bool quoted = value.size() >= 2 && (value.front() == '\'' || value.front() == '"') &&
                      value.back() == value.front();
  std::string text = quoted ? value.substr(1, value.size() - 2) : value;
  std::ranges::replace(text, '\t', ' ');
  return text;
}

void append_row(std::string& table, const std::vector<std::string>& row) {
  table += fmt::format("{}\n", fmt::join(row, "\t"));
}

std::vector<std::string> head_of(const Sweep& sweep) {
  std::vector<std::string> row = {"cell"};
  for (const std::string& key : sweep.grid().keys()) row.push_back(key);
  return row;
}

std::vector<std::string> row_of(const Sweep& sweep, std::int64_t index) {
  std::vector<std::string> row = {fmt::format("{}", index)};
  for (const auto& [key, value] : sweep.grid().cell(index)) row.push_back(shown(value));
  return row;
}

CellResult result_of(const Sweep& sweep, std::int64_t index,
                     const std::vector<std::string>& assignments, const fs::path& out) {
  check_cell_run(sweep, index, assignments, out);
  const fs::path run = cell_folder(out, index);
  CellResult result;
  // As the run was started: how many steps it takes is no part of what is compared.
  const fs::path resolved = RunFolder{run}.config();
  result.steps = is_there(resolved)
                     ? core::Config::from_file(resolved).get("train.steps", std::int64_t{0})
                     : sweep.config(index, assignments).train.steps;
  read_events(RunFolder{run}.events(), result);
  read_metrics(RunFolder{run}.metrics(), result);
  read_checkpoint(run, result);
  return result;
}

void count(CellState state, SweepResults& results) {
  results.done += state == CellState::done ? 1 : 0;
  results.unfinished += state == CellState::unfinished ? 1 : 0;
  results.missing += state == CellState::missing ? 1 : 0;
}

}  // namespace

SweepResults collect(const Sweep& sweep, const std::vector<std::string>& assignments,
                     const fs::path& out) {
  if (!is_there(out)) {
    throw core::MissingError(out.string() + ": no such folder; no cell was trained");
  }
  SweepResults results;
  std::vector<std::string> head = head_of(sweep);
  for (const char* column : {"state", "step", "steps"}) head.emplace_back(column);
  for (const char* column : kMeasured) head.emplace_back(column);
  head.emplace_back("run");
  append_row(results.table, head);
  for (std::int64_t index = 0; index < sweep.size(); ++index) {
    CellResult result = result_of(sweep, index, assignments, out);
    count(result.state, results);
    std::vector<std::string> row = row_of(sweep, index);
    row.emplace_back(name_of(result.state));
    row.push_back(fmt::format("{}", result.step));
    row.push_back(fmt::format("{}", result.steps));
    for (const char* column : kMeasured) row.push_back(result.of[column]);
    row.push_back(cell_folder(out, index).string());
    append_row(results.table, row);
  }
  return results;
}

std::string cells_table(const Sweep& sweep) {
  std::string table;
  append_row(table, head_of(sweep));
  for (std::int64_t index = 0; index < sweep.size(); ++index) {
    append_row(table, row_of(sweep, index));
  }
  return table;
}

}  // namespace epi::train
