// `epitrain bench step`: how fast a training step is here.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench_step.hpp"
#include "core/version.hpp"
#include "exit_codes.hpp"
#include "verbs.hpp"

namespace epi::launch {
namespace {

void print_json(const BenchOptions& options, const BenchResult& r) {
  const nlohmann::ordered_json json = {
      {"program", core::version_text()},
      {"input", "synthetic"},
      {"model", options.model},
      {"precision", options.precision},
      {"batch", options.batch},
      {"tokens", options.tokens},
      {"parameters", r.parameters},
      {"kernels", r.kernels},
      {"threads", r.threads},
      {"tokens_per_s", r.tokens_per_s},
      {"gflop_per_s", r.gflop_per_s},
      {"peak_gflop_per_s", r.peak_gflop_per_s},
      {"share_of_peak", r.gflop_per_s / r.peak_gflop_per_s},
      {"step_s", r.step_s},
      {"seconds",
       {{"assemble", r.assemble_s},
        {"forward", r.forward_s},
        {"backward", r.backward_s},
        {"exchange", r.exchange_s},
        {"update", r.update_s}}},
      {"loss", r.loss},
      {"peak_memory_mib", r.peak_memory_mib},
  };
  std::printf("%s\n", json.dump(2).c_str());
}

void print_table(const BenchOptions& options, const BenchResult& r) {
  const auto part = [&](const char* name, double seconds) {
    return fmt::format("  {:<9}{:>9.3f} s{:>7.1f} %\n", name, seconds, 100.0 * seconds / r.step_s);
  };
  std::string text = fmt::format(
      "{} (synthetic input), {}, {} x {} tokens, {:.1f} M parameters, {}\n"
      "{:.1f} tokens/s, {:.1f} GFLOP/s = {:.1f} % of the {:.1f} GFLOP/s measured here\n"
      "step {:.3f} s, of which\n",
      options.model, options.precision, options.batch, options.tokens,
      1e-6 * static_cast<double>(r.parameters), r.kernels, r.tokens_per_s, r.gflop_per_s,
      100.0 * r.gflop_per_s / r.peak_gflop_per_s, r.peak_gflop_per_s, r.step_s);
  text += part("assemble", r.assemble_s) + part("forward", r.forward_s) +
          part("backward", r.backward_s) + part("exchange", r.exchange_s) +
          part("update", r.update_s);
  text += fmt::format("peak memory {:.0f} MiB\n", r.peak_memory_mib);
  std::fputs(text.c_str(), stdout);
}

int bench(const BenchOptions& options, Session& session) {
  const BenchResult result = bench_step(options, session.log());
  if (options.json) {
    print_json(options, result);
  } else {
    print_table(options, result);
  }
  return kDone;
}

}  // namespace

void add_bench(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("bench", "Measure this machine");
  verb->require_subcommand(1);
  CLI::App* step = verb->add_subcommand("step", "Time a training step on synthetic windows");
  auto options = std::make_shared<BenchOptions>();
  step->add_option("--model", options->model, "tiny, small, base or large")->capture_default_str();
  step->add_option("--precision", options->precision, "fp32")->capture_default_str();
  step->add_option("--batch", options->batch, "Windows in a micro-batch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  step->add_option("--tokens", options->tokens, "Tokens in a window, with [CLS] and [SEP]")
      ->capture_default_str()
      ->check(CLI::Range(3, 1 << 16));
  step->add_option("--steps", options->steps, "Timed steps")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  step->add_option("--threads", options->threads, "0: as many as this process may use")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  step->add_flag("--json", options->json, "Print JSON");
  step->callback([options, &chosen] {
    chosen = [options](Session& session) { return bench(*options, session); };
  });
}

}  // namespace epi::launch
