// `epitrain bench step`: its options, and its result as JSON or as a table that reads like a flame
// graph laid on its side: parts of the step, below each its ops from the dearest on, and what is
// left between them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "bench_machine.hpp"
#include "bench_report.hpp"
#include "bench_step.hpp"
#include "benches.hpp"
#include "core/version.hpp"
#include "exit_codes.hpp"

namespace epi::launch {
namespace {

constexpr int kBarWidth = 36;
constexpr double kLeastShown = 1e-3;  // of the step: smaller calls share a line (JSON has each)

using Entry = kernels::Profile::Entry;

/// The dearest first.
std::vector<Entry> sorted(const kernels::Profile& profile) {
  std::vector<Entry> entries(profile.entries().begin(), profile.entries().end());
  std::stable_sort(entries.begin(), entries.end(),
                   [](const Entry& a, const Entry& b) { return a.seconds > b.seconds; });
  return entries;
}

Judged judged(const Entry& entry, Roofs& roofs) {
  return roofs.judge(entry.cost, entry.seconds / static_cast<double>(entry.calls));
}

/// Of a phase: its time less that of its ops.
double outside_of_ops(const PhaseProfile& phase) {
  return std::max(0.0, phase.seconds - phase.ops.seconds());
}

double seconds_of(const BenchResult& r, const char* phase) {
  for (const PhaseProfile& p : r.phases) {
    if (p.name == phase) return p.seconds;
  }
  return 0.0;
}

nlohmann::ordered_json ops_json(const BenchResult& r) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const PhaseProfile& phase : r.phases) {
    for (const Entry& entry : sorted(phase.ops)) {
      nlohmann::ordered_json row = {
          {"phase", phase.name},         {"op", entry.cost.op},
          {"call", name_of(entry.cost)}, {"calls", entry.calls},
          {"seconds", entry.seconds},    {"share_of_step", entry.seconds / r.step_s}};
      row.update(json_of(judged(entry, *r.roofs), entry.cost));
      rows.push_back(row);
    }
    rows.push_back({{"phase", phase.name},
                    {"op", "outside of ops"},
                    {"seconds", outside_of_ops(phase)},
                    {"share_of_step", outside_of_ops(phase) / r.step_s}});
  }
  return rows;
}

nlohmann::ordered_json as_json(const BenchOptions& options, const BenchResult& r) {
  nlohmann::ordered_json json = {
      {"program", core::version_text()},
      {"bench", "step"},
      {"input", "synthetic"},
      {"model", options.model},
      {"precision", r.precision},
      {"recompute", options.recompute == model::Recompute::layer ? "layer" : "none"},
      {"pass", options.pass == Pass::forward ? "forward" : "step"},
      {"batch", options.batch},
      {"tokens", options.tokens},
      {"parameters", r.parameters},
      {"kernels", r.kernels},
      {"threads", r.threads},
      {"tokens_per_s", r.tokens_per_s},
      {"gflop_per_s", r.gflop_per_s},
      {"formula", options.pass == Pass::forward ? "2 N + 4 L H T + 2 m (H^2 + H V) a token"
                                                : "6 N + 12 L H T + 6 m (H^2 + H V) a token"},
      {"peak_gflop_per_s", r.peak_gflop_per_s},
      {"share_of_peak", r.gflop_per_s / r.peak_gflop_per_s},
      {"nominal_gflop_per_s", r.nominal_gflop_per_s},
      {"mfu", r.gflop_per_s / r.nominal_gflop_per_s},
      {"dropout", options.dropout},
      {"as_trained", options.as_trained},
      {"reproducible", options.reproducible},
      {"steps", options.steps},
      {"step_s", r.step_s},
      {"best_s", r.best_s},
      {"seconds",
       {{"assemble", seconds_of(r, "assemble")},
        {"forward", seconds_of(r, "forward")},
        {"backward", seconds_of(r, "backward")},
        {"exchange", seconds_of(r, "exchange")},
        {"update", seconds_of(r, "update")}}},
      {"loss", r.loss},
      {"activation_mib", r.activation_mib},
      {"peak_memory_mib", r.peak_memory_mib},
      {"device_memory_mib", r.device_memory_mib},
      {"roofs", json_of(*r.roofs)},
  };
  if (options.profile) json["profile"] = ops_json(r);
  return json;
}

/// As long as the time, of which '#' is what the roof asks for and '-' what could be saved.
std::string bar(double seconds, double longest, double share) {
  const auto cells = [&](double s) {
    return static_cast<std::size_t>(std::lround(kBarWidth * s / std::max(longest, 1e-12)));
  };
  const std::size_t whole = cells(seconds);
  const std::size_t needed = std::min(whole, cells(seconds * std::min(share, 1.0)));
  return std::string(needed, '#') + std::string(whole - needed, '-');
}

/// One op of a phase, or several small ones together, which have no roof in common.
std::string op_line(const Entry& entry, const BenchResult& r, double longest) {
  const Judged j = judged(entry, *r.roofs);
  return fmt::format("  {:<38}{:>6}{:>10.2f}{:>6.1f} %{:>9.1f} {:<7}{:>8.1f}{:>6.1f} % {}\n",
                     name_of(entry.cost), entry.calls, 1e3 * entry.seconds,
                     100.0 * entry.seconds / r.step_s, j.value, j.unit, j.roof, 100.0 * j.share,
                     bar(entry.seconds, longest, j.share));
}

/// A name and its time, without a rate.
std::string time_line(const std::string& name, const std::string& calls, double seconds,
                      const BenchResult& r) {
  return fmt::format("{:<40}{:>6}{:>10.2f}{:>6.1f} %\n", name, calls, 1e3 * seconds,
                     100.0 * seconds / r.step_s);
}

std::string phase_text(const PhaseProfile& phase, const BenchResult& r, double longest) {
  std::string text = time_line(phase.name, "", phase.seconds, r);
  double small_s = 0.0;
  std::int64_t small = 0;
  for (const Entry& entry : sorted(phase.ops)) {
    if (entry.seconds >= kLeastShown * r.step_s) {
      text += op_line(entry, r, longest);
    } else {
      small += entry.calls;
      small_s += entry.seconds;
    }
  }
  if (small > 0) text += time_line("  small calls", std::to_string(small), small_s, r);
  return text;
}

std::string profile_text(const BenchResult& r) {
  double longest = 0.0, outside = 0.0;
  for (const PhaseProfile& phase : r.phases) {
    outside += outside_of_ops(phase);
    for (const Entry& entry : phase.ops.entries()) longest = std::max(longest, entry.seconds);
  }
  std::string text = text_of(*r.roofs);
  text += fmt::format("{:<40}{:>6}{:>10}{:>8}{:>17}{:>8}{:>8}\n", "part", "calls", "ms", "step",
                      "rate", "roof", "share");
  for (const PhaseProfile& phase : r.phases) text += phase_text(phase, r, longest);
  return text + time_line("outside of ops", "", outside, r);
}

std::string phases_text(const BenchResult& r) {
  std::string text;
  for (const PhaseProfile& phase : r.phases) {
    text += fmt::format("  {:<9}{:>9.3f} s{:>7.1f} %\n", phase.name, phase.seconds,
                        100.0 * phase.seconds / r.step_s);
  }
  return text;
}

std::string as_table(const BenchOptions& options, const BenchResult& r) {
  std::string text = fmt::format(
      "{} (synthetic input), {}{}{}, {} x {} tokens, {:.1f} M parameters, {}\n"
      "{:.1f} tokens/s, {:.1f} GFLOP/s = {:.1f} % of the {:.1f} GFLOP/s measured here\n"
      "step {:.3f} s (best {:.3f} s), of which\n",
      options.model, r.precision, options.pass == Pass::forward ? ", forward only" : "",
      options.recompute == model::Recompute::layer ? ", layers recomputed" : "", options.batch,
      options.tokens, 1e-6 * static_cast<double>(r.parameters), r.kernels, r.tokens_per_s,
      r.gflop_per_s, 100.0 * r.gflop_per_s / r.peak_gflop_per_s, r.peak_gflop_per_s, r.step_s,
      r.best_s);
  if (r.nominal_gflop_per_s != r.peak_gflop_per_s) {
    text +=
        fmt::format("model FLOPs utilisation {:.1f} % of {:.0f} TFLOP/s by data sheet\n",
                    100.0 * r.gflop_per_s / r.nominal_gflop_per_s, 1e-3 * r.nominal_gflop_per_s);
  }
  text += options.profile ? profile_text(r) : phases_text(r);
  text += fmt::format("peak memory {:.0f} MiB, of which activations {:.0f} MiB\n",
                      r.peak_memory_mib, r.activation_mib);
  if (r.device_memory_mib > 0.0) {
    text += fmt::format("memory taken of the GPU {:.0f} MiB\n", r.device_memory_mib);
  }
  return text;
}

int bench(BenchOptions options, Session& session) {
  const bool gpu =
      options.device != "cpu" && (options.device != "auto" || core::cuda_device_count() > 0);
  options.as_trained = options.as_trained || gpu || options.micro_batches > 1;
  const BenchResult result = bench_step(options, session.log());
  put_out(options.json, as_json(options, result), as_table(options, result));
  return kDone;
}

}  // namespace

void add_bench_step(CLI::App& verb, Verb& chosen) {
  CLI::App* step = verb.add_subcommand("step", "Time a training step on synthetic windows");
  auto options = std::make_shared<BenchOptions>();
  step->add_option("--model", options->model, "tiny, small, base or large")->capture_default_str();
  add_precision_option(*step, options->precision);
  const std::map<std::string, model::Recompute> recompute{{"none", model::Recompute::none},
                                                          {"layer", model::Recompute::layer}};
  step->add_option("--recompute", options->recompute, "none, or layer: less memory, more work")
      ->transform(CLI::CheckedTransformer(recompute))
      ->option_text("TEXT:{none,layer}");
  step->add_flag_callback(
      "--forward", [options] { options->pass = Pass::forward; },
      "Forward only: no gradients, no update");
  step->add_option("--batch", options->batch, "Windows in a micro-batch")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  step->add_option("--micro-batches", options->micro_batches,
                   "Micro-batches in a step; more than one with --as-trained, which it implies")
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
  step->add_option("--warmup", options->warmup, "Steps before the timed ones")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  step->add_option("--dropout", options->dropout, "Of embeddings, probabilities, hidden states")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 0.9));
  add_device_option(*step, options->device);
  step->add_flag("--as-trained", options->as_trained,
                 "Steps as runs take them, not part by part; always so on a GPU");
  step->add_flag("--reproducible", options->reproducible,
                 "On a GPU: products do not cut their inner dimension");
  step->add_flag("--profile", options->profile, "Time each op, beside its roof");
  add_json_option(*step, options->json);
  step->callback([options, &chosen] {
    chosen = [options](Session& session) { return bench(*options, session); };
  });
}

}  // namespace epi::launch
