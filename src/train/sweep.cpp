#include "train/sweep.hpp"

#include <fmt/format.h>

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

}  // namespace

Sweep::Sweep(const fs::path& grid)
    : grid_(core::ConfigGrid::from_file(grid)), base_(core::read_text(grid_.config())) {}

std::string Sweep::name(std::int64_t index) const {
  return fmt::format("cell {} of {} ({})", index, grid_.path().string(),
                     text_of(grid_.cell(index)));
}

RunConfig Sweep::config(std::int64_t index, const std::vector<std::string>& assignments) const {
  const std::vector<core::ConfigValue> own = grid_.cell(index);
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
void check_cell_folder(const Sweep& sweep, std::int64_t index, const fs::path& out) {
  const fs::path path = RunFolder{cell_folder(out, index)}.config();
  std::error_code unknown;  // reading it then says why
  if (!fs::exists(path, unknown) && !unknown) return;
  const core::Config there = core::Config::from_file(path);
  const core::Config here =
      core::Config::from_text(sweep.config(index).resolved, sweep.grid().path().string());
  for (const std::string& key : sweep.grid().keys()) {
    if (there.text(key) == here.text(key)) continue;
    throw core::InputError(
        fmt::format("{}: {} = {}, but {} has {}: another grid was trained here; give another --out",
                    path.string(), key, there.text(key).value_or("nothing"), sweep.name(index),
                    here.text(key).value_or("nothing")));
  }
}

}  // namespace epi::train
