// `epitrain sweep`: the runs of a grid, one per task of a job array, and one table of all of them.
#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/files.hpp"
#include "exit_codes.hpp"
#include "train/alike.hpp"
#include "train/sweep.hpp"
#include "training.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string grid;
  std::string out;
  std::vector<std::string> set;
  std::optional<std::int64_t> task;
  bool count = false;
  bool collect = false;
  bool quiet = false;
};

/// Where `--collect` leaves the table, beside the runs.
constexpr const char* kTableFile = "results.tsv";

struct Task {
  std::string name;
  train::RunConfig config;
};

Task agreed_task(const Options& options, dist::Communicator& world) {
  std::optional<Task> task;
  dist::agree(world, [&] {
    const train::Sweep sweep(options.grid);
    task = {sweep.name(*options.task), sweep.config(*options.task, options.set)};
    train::check_cell_folder(sweep, *options.task, options.set, options.out);
  });
  train::check_configuration(task->config.resolved, world);
  return std::move(*task);
}

int train_task(const Options& options, Session& session) {
  (void)session.stop_on_signals();
  const Task task = agreed_task(options, session.world());
  const auto level = options.quiet ? core::LogLevel::quiet : core::LogLevel::info;
  session.log(level).info("{}", task.name);
  const train::DeviceChoice device =
      train::choose_device(task.config.train.device, session.world());
  return run_training(task.config, train::cell_folder(options.out, *options.task), device, level,
                      session);
}

int collect_table(const Options& options, Session& session) {
  const train::SweepResults results =
      train::collect(train::Sweep(options.grid), options.set, options.out);
  std::fputs(results.table.c_str(), stdout);
  const std::filesystem::path file = std::filesystem::path(options.out) / kTableFile;
  core::write_durably(file, std::string_view(results.table));
  session.log().info("{} cells done, {} unfinished, {} missing; {}", results.done,
                     results.unfinished, results.missing, file.string());
  return kDone;
}

/// All cells are read first: an array must not find out in the queue that half of it is wrong.
int list_cells(const Options& options) {
  const train::Sweep sweep(options.grid);
  sweep.check(options.set);
  if (options.count) {
    std::printf("%lld\n", static_cast<long long>(sweep.size()));
  } else {
    std::fputs(train::cells_table(sweep).c_str(), stdout);
  }
  return kDone;
}

int sweep(const Options& options, Session& session) {
  if ((options.task || options.collect) && options.out.empty()) {
    throw core::UsageError("sweep: --out is required with --task and --collect");
  }
  if (options.task) return train_task(options, session);
  return session.speaker_only(
      [&] { return options.collect ? collect_table(options, session) : list_cells(options); });
}

}  // namespace

void add_sweep(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand(
      "sweep", "Train the cells of a grid of configurations (also with mpirun), or list them");
  auto options = std::make_shared<Options>();
  verb->add_option("grid", options->grid, "Grid, TOML: config, [set] and [axes]")->required();
  verb->add_option("--out", options->out, "Folder of the sweep, with a run per cell");
  verb->add_option("--set", options->set,
                   "Override a key in all cells: SECTION.KEY=VALUE; may be repeated; no axis")
      ->allow_extra_args(true);
  auto* task = verb->add_option("--task", options->task, "Train this cell, from 0, or go on");
  auto* count = verb->add_flag("--count", options->count, "Check all cells and print how many");
  auto* collect = verb->add_flag("--collect", options->collect,
                                 "Print one table of all runs and write it to OUT/results.tsv");
  task->excludes(count)->excludes(collect);
  count->excludes(collect);
  verb->add_flag("--quiet", options->quiet, "Warnings only");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) { return sweep(*options, session); };
  });
}

}  // namespace epi::launch
