// A sweep: the runs of a grid, one per cell, each in a folder of its own below one folder. Tasks of
// a job array train them side by side, in any order and on any machines; nothing is shared but the
// grid. Afterwards one table holds all of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/config_grid.hpp"
#include "train/run_config.hpp"

namespace epi::train {

class Sweep {
 public:
  /// Reads the grid and the configuration it begins with. MissingError, ConfigError.
  explicit Sweep(const std::filesystem::path& grid);

  [[nodiscard]] const core::ConfigGrid& grid() const { return grid_; }
  /// Number of cells.
  [[nodiscard]] std::int64_t size() const { return grid_.size(); }

  /// The configuration of one cell: the grid's, [set], `assignments` ("section.key=value"), then
  /// the cell's own values. ConfigError naming the cell, and for an assignment to a key that is an
  /// axis, which would change no cell; UsageError when there is no such cell.
  [[nodiscard]] RunConfig config(std::int64_t index,
                                 const std::vector<std::string>& assignments = {}) const;

  /// Reads the configuration of every cell: what is wrong in one of them is heard before any of
  /// them waits in a queue. ConfigError naming the cell.
  void check(const std::vector<std::string>& assignments = {}) const;

  /// "cell 3 of grid.toml (train.seed = 2, model.size = 'tiny')", for messages and logs.
  [[nodiscard]] std::string name(std::int64_t index) const;

 private:
  core::ConfigGrid grid_;
  std::string base_;  // text of the configuration
};

/// The run's folder: OUT/cell-000012.
[[nodiscard]] std::filesystem::path cell_folder(const std::filesystem::path& out,
                                                std::int64_t index);

/// InputError when the folder holds the run of other values than this cell's: another grid, or the
/// same before it was changed, was trained there. Compares the axes: a run that goes on compares
/// the rest with its checkpoint.
void check_cell_folder(const Sweep& sweep, std::int64_t index,
                       const std::vector<std::string>& assignments,
                       const std::filesystem::path& out);

/// The same for everything that changes the mathematics (see identity_of): configuration, [set] and
/// `assignments` too. A folder without a configuration is nobody's. InputError naming the first key
/// that differs, with both values; ConfigError when the folder's configuration is no such thing.
void check_cell_run(const Sweep& sweep, std::int64_t index,
                    const std::vector<std::string>& assignments, const std::filesystem::path& out);

enum class CellState : std::uint8_t {
  missing,     ///< no checkpoint yet
  unfinished,  ///< a checkpoint of an earlier step than the last
  done,        ///< a checkpoint of the last step
};

/// One table of all runs below `out`.
struct SweepResults {
  /// Tab-separated, a header and a row per cell: cell, the keys that vary, state, step, steps,
  /// ranks, losses of the last step and of the last evaluation, tokens/s, the digest of the weights
  /// (equal for equal bits) and the run's folder. What a run has not got is empty. Of a run that
  /// was killed, loss and tokens/s are those of its last row in metrics.csv, perhaps of a later
  /// step than its checkpoint.
  std::string table;
  std::int64_t done = 0, unfinished = 0, missing = 0;
};

/// Reads what the runs left: metrics.csv, events.jsonl and the newest checkpoint's manifest.
/// `assignments` are those that the cells were trained with. MissingError when there is no `out`,
/// InputError and ConfigError (see check_cell_run), FormatError naming a damaged file, IoError.
[[nodiscard]] SweepResults collect(const Sweep& sweep, const std::vector<std::string>& assignments,
                                   const std::filesystem::path& out);

/// The cells without results: cell and the keys that vary, tab-separated.
[[nodiscard]] std::string cells_table(const Sweep& sweep);

}  // namespace epi::train
