#include "train/sweep.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "core/config.hpp"
#include "core/error.hpp"
#include "core/files.hpp"
#include "train/run_folder.hpp"

namespace epi::train {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::vector<core::ConfigValue>& values) {
  std::vector<std::string> texts;
  texts.reserve(values.size());
  for (const auto& [key, value] : values) texts.push_back(key + " = " + value);
  return fmt::format("{}", fmt::join(texts, ", "));
}

void set(core::Config& config, const std::vector<core::ConfigValue>& values) {
  for (const auto& [key, value] : values) config.set(key + "=" + value);
}

/// A cell is what the grid says: the assignment would change nothing, without a word.
void refuse_axes(const std::vector<std::string>& assignments, const core::ConfigGrid& grid) {
  const std::vector<std::string> axes = grid.keys();
  for (const std::string& assignment : assignments) {
    std::string key = assignment.substr(0, assignment.find('='));
    std::erase_if(key, [](char c) { return c == ' ' || c == '\t'; });
    if (std::ranges::find(axes, key) == axes.end()) continue;
    throw core::ConfigError(
        fmt::format("--set {}: {} is an axis of {}, which gives every cell its own value: change "
                    "the axis there, or leave out --set",
                    assignment, key, grid.path().string()));
  }
}

/// The configuration that a run was started with last; nothing where none was.
std::optional<core::Config> started_with(const fs::path& run) {
  const fs::path path = RunFolder{run}.config();
  std::error_code unknown;  // reading it then says why
  if (!fs::exists(path, unknown) && !unknown) return std::nullopt;
  return core::Config::from_file(path);
}

[[noreturn]] void refuse_folder(const fs::path& run, const std::string& key,
                                const std::string& there, const std::string& cell,
                                const std::string& here) {
  throw core::InputError(fmt::format(
      "{}: {} = {}, but {} has {}: this run is not the cell's; give the grid, the configuration "
      "and the --set that it was trained with, or another --out",
      RunFolder{run}.config().string(), key, there, cell, here));
}

}  // namespace

Sweep::Sweep(const fs::path& grid)
    : grid_(core::ConfigGrid::from_file(grid)), base_(core::read_text(grid_.config())) {}

std::string Sweep::name(std::int64_t index) const {
  return fmt::format("cell {} of {} ({})", index, grid_.path().string(),
                     text_of(grid_.cell(index)));
}

RunConfig Sweep::config(std::int64_t index, const std::vector<std::string>& assignments) const {
  const std::vector<core::ConfigValue> own = grid_.cell(index);
  refuse_axes(assignments, grid_);
  core::Config config = core::Config::from_text(base_, grid_.config().string());
  try {
    set(config, grid_.common());
    for (const std::string& assignment : assignments) config.set(assignment);
    set(config, own);
    return read_run_config(config);
  } catch (const core::ConfigError& error) {
    throw core::ConfigError(fmt::format("{}: {}", name(index), error.what()));
  }
}

void Sweep::check(const std::vector<std::string>& assignments) const {
  for (std::int64_t index = 0; index < size(); ++index) (void)config(index, assignments);
}

fs::path cell_folder(const fs::path& out, std::int64_t index) {
  return out / fmt::format("cell-{:06}", index);
}

// Both are compared as they are resolved: 1 in a grid is 1.0 where the key takes a number.
void check_cell_folder(const Sweep& sweep, std::int64_t index,
                       const std::vector<std::string>& assignments, const fs::path& out) {
  const std::optional<core::Config> there = started_with(cell_folder(out, index));
  if (!there) return;
  const core::Config here = core::Config::from_text(sweep.config(index, assignments).resolved,
                                                    sweep.grid().path().string());
  for (const std::string& key : sweep.grid().keys()) {
    if (there->text(key) == here.text(key)) continue;
    refuse_folder(cell_folder(out, index), key, there->text(key).value_or("nothing"),
                  sweep.name(index), here.text(key).value_or("nothing"));
  }
}

void check_cell_run(const Sweep& sweep, std::int64_t index,
                    const std::vector<std::string>& assignments, const fs::path& out) {
  check_cell_folder(sweep, index, assignments, out);
  std::optional<core::Config> config = started_with(cell_folder(out, index));
  if (!config) return;
  const Identity there = identity_of(read_run_config(*config));
  const Identity here = identity_of(sweep.config(index, assignments));
  core::require(there.size() == here.size(), "one program names the same keys for all runs");
  for (std::size_t i = 0; i < here.size(); ++i) {
    if (there[i] == here[i]) continue;
    refuse_folder(cell_folder(out, index), here[i].first, there[i].second, sweep.name(index),
                  here[i].second);
  }
}

}  // namespace epi::train
