// `epitrain evaluate`: a run's losses on a held-out split beside honest baselines.
#include <CLI/CLI.hpp>

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "exit_codes.hpp"
#include "train/evaluate.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

struct Options {
  std::string run;
  std::string store;
  bool other_store = false;
  std::string state_map;
  std::string split = "valid";
  std::optional<std::int64_t> step;
  std::int64_t windows = 0;
  int threads = 0;
  std::string device = "auto";
  std::string precision;
  bool json = false;
};

/// Nothing for an option that was not given; CLI11 has checked the others.
std::optional<train::Precision> precision_of(const std::string& name) {
  for (const auto precision :
       {train::Precision::automatic, train::Precision::fp32, train::Precision::bf16}) {
    if (name == train::name_of(precision)) return precision;
  }
  return std::nullopt;
}

int evaluate(const Options& options, Session& session) {
  train::EvaluateOptions request;
  request.run = options.run;
  if (!options.store.empty()) request.store = options.store;
  request.other_store = options.other_store;
  if (!options.state_map.empty()) request.state_map = options.state_map;
  request.split = options.split == "test" ? data::Split::test : data::Split::valid;
  request.step = options.step;
  request.windows = options.windows;
  request.threads = options.threads;
  request.device = train::device_named(options.device);
  request.precision = precision_of(options.precision);
  dist::Communicator& world = session.world();
  const train::EvaluationReport report = train::evaluate(request, world, session.log());
  if (session.speaks()) {
    std::fputs((options.json ? train::to_json(report) : train::to_table(report)).c_str(), stdout);
  }
  return kDone;
}

}  // namespace

void add_evaluate(CLI::App& app, Verb& chosen) {
  CLI::App* verb =
      app.add_subcommand("evaluate", "Losses of a run beside baselines (also with mpirun)");
  auto options = std::make_shared<Options>();
  verb->add_option("run", options->run, "Folder that pretrain wrote")->required();
  verb->add_option("--split", options->split, "valid or test")
      ->capture_default_str()
      ->check(CLI::IsMember({"valid", "test"}));
  verb->add_option("--store", options->store, "Where the store is now; default: as in the run");
  verb->add_flag("--other-store", options->other_store,
                 "--store is meant to be another one than that of the training");
  verb->add_option("--state-map", options->state_map,
                   "Table from the states of another store to those of the training");
  verb->add_option("--step", options->step, "Step of the checkpoint; default: the newest");
  verb->add_option("--windows", options->windows,
                   "Windows x cell types per population; 0: as configured")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--threads", options->threads, "Per rank; 0: as many as the process may use")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--device", options->device, "auto (GPUs where every rank has one), cpu or cuda")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  verb->add_option("--precision", options->precision,
                   "auto, fp32 or bf16; default: train.precision of the run")
      ->check(CLI::IsMember({"auto", "fp32", "bf16"}));
  verb->add_flag("--json", options->json, "Print JSON");
  verb->callback([options, &chosen] {
    chosen = [options](Session& session) { return evaluate(*options, session); };
  });
}

}  // namespace epi::launch
