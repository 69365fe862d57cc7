// A grid of configurations: one configuration, and keys with the values to try. Every combination
// is a cell with a number of its own, so that a job array can train one cell per task.
//
//   config = "base.toml"                  # of every cell; relative to the grid's folder
//   [set]                                 # differs from it in every cell
//   train.steps = 2000
//   [axes]                                # every combination; the last axis varies fastest
//   optimizer.learning_rate = [1e-4, 3e-4]
//   train.seed = [1, 2, 3]
//   shape = [{model.layers = 4, model.hidden = 256}, {model.layers = 12, model.hidden = 768}]
//
// An axis of tables varies their keys together; its own name means nothing then.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace epi::core {

/// A key of the configuration and its value in TOML: "train.seed", "3".
using ConfigValue = std::pair<std::string, std::string>;

class ConfigGrid {
 public:
  /// No grid has more cells: a number with too many digits is a mistake.
  static constexpr std::int64_t kMostCells = 100'000;

  /// MissingError; ConfigError "FILE:LINE: ..." on syntax errors, unknown keys, axes without
  /// values or with one of them twice, values that are no scalars, and keys that are set twice.
  static ConfigGrid from_file(const std::filesystem::path& path);
  /// The same from text; `path` stands for the file, which need not exist.
  static ConfigGrid from_text(std::string_view text, const std::filesystem::path& path);

  /// The grid's own file.
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The configuration that all cells begin with.
  [[nodiscard]] const std::filesystem::path& config() const { return config_; }
  /// What differs from it in every cell.
  [[nodiscard]] const std::vector<ConfigValue>& common() const { return common_; }
  /// Number of cells, at least 1.
  [[nodiscard]] std::int64_t size() const;
  /// Keys that differ between cells, in the order of the file.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// Their values in one cell, from 0; UsageError naming the last cell when there is none.
  [[nodiscard]] std::vector<ConfigValue> cell(std::int64_t index) const;

 private:
  /// One entry: keys that vary together, and their values.
  using Entry = std::vector<ConfigValue>;

  std::filesystem::path path_, config_;
  std::vector<ConfigValue> common_;
  std::vector<std::vector<Entry>> axes_;
};

}  // namespace epi::core
