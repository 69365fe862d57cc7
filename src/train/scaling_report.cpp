// Table and CSV; scaling_page.cpp draws.
#include "train/scaling_report.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "train/svg_chart.hpp"

namespace epi::train {
namespace {

constexpr std::array kShownRanks = {8, 64, 512, 4096};

std::string measured_text(const ScalingStudy& study) {
  std::string text = fmt::format("{:<8}{:>6}{:>9}{:>12}{:>8}{:>11}{:>11}{:>10}{:>11}{:>12}{:>8}\n",
                                 "kind", "ranks", "windows", "tokens/s", "eff.", "step ms",
                                 "compute", "input", "exposed", "predicted", "error");
  for (const ScalingRow& row : study.rows) {
    const ScalingSteps& s = row.steps;
    text += fmt::format(
        "{:<8}{:>6}{:>9}{:>12.1f}{:>6.1f} %{:>11.2f}{:>11.2f}{:>10.2f}{:>11.2f}{:>12.2f}{:>+6.1f} "
        "%\n",
        name_of(s.kind), row.ranks, s.windows, row.tokens_per_s, 100.0 * row.efficiency,
        1e3 * s.step_s, 1e3 * s.compute_s, 1e3 * s.input_s, 1e3 * s.exposed_s,
        1e3 * row.predicted_s, 100.0 * row.error());
  }
  return text;
}

std::string network_text(const Pace& pace, const dist::Network& network) {
  std::string text = fmt::format("  {}: {}\n", network.name, network.title);
  for (const dist::Allreduce algorithm : dist::kAllreduces) {
    text += fmt::format("    {:<14}", name_of(algorithm));
    for (const int ranks : kShownRanks) {
      const PredictedStep step = predicted_step(pace.step, algorithm, network, ranks);
      text += fmt::format("{:>8.1f} %{:>10.2f} ms", 100.0 * pace.step.seconds / step.step_s,
                          1e3 * step.exposed_s);
    }
    text += "\n";
  }
  return text;
}

std::string predicted_text(const Pace& pace, const ScalingOutlook& outlook) {
  std::string text = fmt::format(
      "predicted for {} at base size, {} tokens a rank and step: weak efficiency, exposed time\n",
      pace.name, short_number(pace.step.tokens));
  if (!pace.note.empty()) text += fmt::format("  note: {}\n", pace.note);
  text += fmt::format("    {:<14}", "ranks");
  for (const int ranks : kShownRanks) text += fmt::format("{:>23}", ranks);
  text += "\n";
  for (const dist::Network& network : outlook.networks) text += network_text(pace, network);
  return text;
}

std::string count_or_more(const std::optional<int>& ranks) {
  return ranks ? fmt::format("{}", *ranks) : "none of 2^20";
}

std::string reference_text(const Pace& pace, const ScalingOutlook& outlook) {
  std::string text = fmt::format(
      "reference job by {} ({} tokens/s each alone), predicted: days, and ranks for {} and {} "
      "days\n    {:<14}",
      pace.name, short_number(pace.step.tokens / pace.step.seconds), kCs1Days, kClusterDays,
      "ranks");
  for (const int ranks : kShownRanks) text += fmt::format("{:>10}", ranks);
  text += fmt::format("{:>12}{:>12}\n", fmt::format("in {} d", kCs1Days),
                      fmt::format("in {} d", kClusterDays));
  for (const dist::Network& network : outlook.networks) {
    text += fmt::format("    {:<14}", network.name);
    for (const int ranks : kShownRanks) {
      text += fmt::format("{:>10}", days_text(reference_days(pace.step, network, ranks)));
    }
    text += fmt::format("{:>12}{:>12}\n", count_or_more(ranks_for(kCs1Days, pace.step, network)),
                        count_or_more(ranks_for(kClusterDays, pace.step, network)));
  }
  return text;
}

std::string measured_csv(const ScalingRow& row) {
  const ScalingSteps& s = row.steps;
  return fmt::format("measured,{},,,{},{},{},{},{},{},{},{},{},{},{}\n", name_of(s.kind), row.ranks,
                     s.windows, row.tokens_per_s, row.efficiency, s.step_s, s.input_s, s.compute_s,
                     s.exchange_s, s.exposed_s, row.predicted_s, row.error());
}

/// Weak scaling of one pace on one network by one algorithm.
std::string predicted_csv(const Pace& pace, const dist::Network& network,
                          dist::Allreduce algorithm) {
  std::string text;
  for (const int ranks : predicted_ranks()) {
    const PredictedStep step = predicted_step(pace.step, algorithm, network, ranks);
    text += fmt::format("predicted for {},weak,{},{},{},,{},{},{},,{},{},{},,\n", pace.name,
                        network.name, name_of(algorithm), ranks,
                        ranks * pace.step.tokens / step.step_s, pace.step.seconds / step.step_s,
                        step.step_s, pace.step.seconds, step.exchange_s, step.exposed_s);
  }
  return text;
}

/// The networks of the table join GPUs. Steps as long as a CPU's hide any of them.
std::string note_of(const ScalingStudy& study) {
  if (study.setting.overlaps) return "";
  return "these ranks are CPUs, so slow that any of these networks of GPUs costs them next to "
         "nothing: the efficiencies say nothing of the networks. For devices give the tokens/s of "
         "one with --device-tokens-per-s";
}

}  // namespace

std::vector<Pace> paces_of(const ScalingStudy& study, const ScalingOutlook& outlook) {
  const ScalingSetting& s = study.setting;
  const bool base = s.model == "base" && s.tokens == 512;
  std::vector<Pace> paces{{base ? "ranks as measured here"
                                : fmt::format("ranks that do as many operations a second as here "
                                              "with the {} model",
                                              s.model),
                           at_base_size(alone_step(study), s), note_of(study)}};
  if (outlook.device_tokens_per_s > 0.0) {
    paces.push_back(
        {fmt::format("devices of {} tokens/s", short_number(outlook.device_tokens_per_s)),
         device_at_base_size(outlook.device_tokens_per_s), ""});
  }
  return paces;
}

std::vector<int> predicted_ranks() {
  std::vector<int> ranks;
  for (int n = 1; n <= 4096; n *= 2) ranks.push_back(n);
  return ranks;
}

std::string days_text(double days) {
  return days < 1000.0 ? fmt::format("{:.3g}", days) : fmt::format("{:.0f}", days);
}

std::string reference_assumption() {
  return fmt::format(
      "Assumed: one pass over hg19 x 127 cell types in windows of 512 tokens, non-overlapping "
      "6-mers: 506 M tokens a genome, {:.1f} G in all, by a BERT of base size. Published are {} "
      "days on one CS-1 and {} days on a cluster of 16 GPU nodes for pre-training EBERT, but not "
      "how many tokens that was: k passes take k times as long.",
      1e-9 * kReferenceTokens, kCs1Days, kClusterDays);
}

std::string fit_line(const ScalingStudy& study) {
  if (!study.fit) return "no sums over ranks were measured: one rank has nobody to sum with";
  const dist::FittedNetwork& fit = *study.fit;
  const auto link = [](const char* where, const dist::Link& l) {
    return fmt::format(" {} {:.3g} us a hop and {:.3g} GB/s", where, 1e6 * l.latency_s,
                       1e-9 * l.bytes_per_s);
  };
  std::string text = fmt::format("sums over ranks, fitted as {}:", name_of(fit.algorithm));
  if (fit.network.node.known()) text += link("in a node", fit.network.node);
  if (fit.network.between.known()) {
    text += fmt::format(";{}", link("between nodes", fit.network.between));
  }
  return text + fmt::format("; mean error of a sum {:.1f} %", 100.0 * fit.error);
}

std::string misprediction_line(const ScalingStudy& study) {
  constexpr double kMost = 0.1;
  std::string wrong;
  for (const ScalingRow& row : study.rows) {
    if (std::abs(row.error()) <= kMost) continue;
    wrong += fmt::format("{}{} at {} rank{} ({:+.1f} %)", wrong.empty() ? "" : ", ",
                         name_of(row.steps.kind), row.ranks, row.ranks == 1 ? "" : "s",
                         100.0 * row.error());
  }
  if (wrong.empty()) return "";
  return fmt::format(
      "Predictions that are off by more than 10 %: {}. Do not trust what is predicted for more "
      "ranks: measure again on a quiet machine with more --rounds.",
      wrong);
}

std::string setting_line(const ScalingSetting& s) {
  return fmt::format(
      "{} model ({:.1f} M parameters), {}, windows of {} tokens, micro-batches of {}, {} a rank; "
      "epitrain {}",
      s.model, 1e-6 * static_cast<double>(s.parameters), s.precision, s.tokens, s.micro_batch,
      s.kernels, s.program);
}

std::string scaling_text(const ScalingStudy& study, const ScalingOutlook& outlook) {
  const std::string wrong = misprediction_line(study);
  std::string text = fmt::format("scaling of synthetic training steps: {}\n{}{}{}{}\n",
                                 setting_line(study.setting), measured_text(study), wrong,
                                 wrong.empty() ? "" : "\n", fit_line(study));
  for (const Pace& pace : paces_of(study, outlook)) {
    text += fmt::format("\n{}{}", predicted_text(pace, outlook), reference_text(pace, outlook));
  }
  return fmt::format("{}\n{}\n", text, reference_assumption());
}

std::string scaling_csv(const ScalingStudy& study, const ScalingOutlook& outlook) {
  std::string text =
      "source,kind,network,algorithm,ranks,windows,tokens_per_s,efficiency,step_s,input_s,"
      "compute_s,exchange_s,exposed_s,predicted_step_s,predicted_error\n";
  for (const ScalingRow& row : study.rows) text += measured_csv(row);
  for (const Pace& pace : paces_of(study, outlook)) {
    for (const dist::Network& network : outlook.networks) {
      for (const dist::Allreduce algorithm : dist::kAllreduces) {
        text += predicted_csv(pace, network, algorithm);
      }
    }
  }
  return text;
}

}  // namespace epi::train
