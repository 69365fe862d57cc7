// `epitrain pretrain`: a run from a configuration, on one process or under mpirun.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/config.hpp"
#include "dry_run.hpp"
#include "exit_codes.hpp"
#include "train/alike.hpp"
#include "train/run_config.hpp"
#include "train/threads.hpp"
#include "training.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string config;
  std::string out;
  std::vector<std::string> set;
  std::string repeats;
  std::string device;
  std::string precision;
  std::string recompute;
  std::string trace;
  std::string max_time;
  bool reproducible = false;
  bool print_config = false;
  bool dry_run = false;
  bool quiet = false;
  [[nodiscard]] bool trains() const { return !print_config && !dry_run; }
};

train::RunConfig read_config(const Options& options) {
  core::Config config = core::Config::from_file(options.config);
  for (const std::string& assignment : options.set) config.set(assignment);
  if (!options.repeats.empty()) config.set("mask.repeats=" + options.repeats);
  if (!options.device.empty()) config.set("train.device=" + options.device);
  if (!options.precision.empty()) config.set("train.precision=" + options.precision);
  if (!options.recompute.empty()) config.set("train.recompute=" + options.recompute);
  if (!options.max_time.empty()) config.set("train.max_time=\"" + options.max_time + "\"");
  if (!options.trace.empty()) config.set("train.trace=\"" + options.trace + "\"");
  if (options.reproducible) config.set("train.reproducible=true");
  return train::read_run_config(config);
}

/// The plan as comments, so that the whole is still a configuration.
void print(const std::string& resolved, const std::vector<std::string>& plan) {
  std::fputs(resolved.c_str(), stdout);
  for (const std::string& line : plan) std::printf("# %s\n", line.c_str());
}

train::RunConfig agreed_config(const Options& options, dist::Communicator& world) {
  std::optional<train::RunConfig> config;
  dist::agree(world, [&] {
    config = read_config(options);
    if (options.trains() && options.out.empty()) {
      throw core::UsageError("pretrain: --out is required");
    }
  });
  train::check_configuration(config->resolved, world);
  return std::move(*config);
}

int pretrain(const Options& options, Session& session) {
  if (options.trains()) (void)session.stop_on_signals();
  const train::RunConfig config = agreed_config(options, session.world());
  std::vector<std::string> plan;
  if (options.print_config && !options.dry_run) {
    if (session.speaks()) print(config.resolved, plan);
    return kDone;
  }
  const train::DeviceChoice device = train::choose_device(config.train.device, session.world());
  if (options.trains()) {
    const auto level = options.quiet ? core::LogLevel::quiet : core::LogLevel::info;
    return run_training(config, options.out, device, level, session);
  }
  const int threads = train::threads_per_rank(config.train.threads, session.world(), session.log());
  plan = plan_of(config, threads, device, session.world());
  if (session.speaks()) print(config.resolved, plan);
  return kDone;
}

}  // namespace

void add_pretrain(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("pretrain", "Pre-train a model (also with mpirun)");
  auto options = std::make_shared<Options>();
  verb->add_option("config", options->config, "Configuration, TOML")->required();
  verb->add_option("--out", options->out, "Folder of the run; an existing run goes on");
  verb->add_option("--set", options->set, "Override a key: SECTION.KEY=VALUE; may be repeated")
      ->allow_extra_args(true);
  verb->add_option("--repeats", options->repeats,
                   "DNA targets in soft-masked repeats: keep, downweight or exclude; sets "
                   "mask.repeats");
  verb->add_option("--device", options->device,
                   "Where to compute: auto (GPUs where every rank has one), cpu or cuda; sets "
                   "train.device");
  verb->add_option("--precision", options->precision,
                   "Of activations and products: auto, fp32 or bf16; sets train.precision");
  verb->add_option("--recompute", options->recompute,
                   "Less memory, more time: none or layer; sets train.recompute");
  verb->add_option("--max-time", options->max_time,
                   "Stop and save after so long, as on a signal (exit code 75): 90m, 2.5h, "
                   "1-12:00:00; sets train.max_time");
  verb->add_option("--trace", options->trace,
                   "Record what happens when in a step, or in FIRST-LAST, of every rank: "
                   "OUT/trace-FIRST-LAST.json; sets train.trace");
  verb->add_flag("--reproducible", options->reproducible,
                 "The same bits on 1, 2, 4, 8, ... ranks with any numbers of threads; sets "
                 "train.reproducible");
  verb->add_flag("--print-config", options->print_config,
                 "Print the configuration with all defaults and stop");
  verb->add_flag("--dry-run", options->dry_run,
                 "Print configuration, windows, parameters, memory and steps, and stop");
  verb->add_flag("--quiet", options->quiet, "Warnings only");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) { return pretrain(*options, session); };
  });
}

}  // namespace epi::launch
