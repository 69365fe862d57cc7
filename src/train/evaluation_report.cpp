// An evaluation as a table for people and as JSON for programs: the same figures in both.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "train/evaluate.hpp"

namespace epi::train {
namespace {

double ratio(double sum, double count) {
  return count > 0.0 ? sum / count : 0.0;
}

double bits(double nats, double bases) {
  return ratio(nats, bases) / std::numbers::ln2;
}

DnaTally sum_of(const DnaTally& a, const DnaTally& b) {
  DnaTally sum{.targets = a.targets + b.targets,
               .hidden_bases = a.hidden_bases + b.hidden_bases,
               .nats = a.nats + b.nats,
               .correct = a.correct + b.correct};
  for (std::size_t i = 0; i < sum.baselines.size(); ++i) {
    sum.baselines.at(i) = a.baselines.at(i) + b.baselines.at(i);
  }
  return sum;
}

std::string regions_text(const Population& population, data::Split split) {
  return population.seen_regions ? "training regions"
                                 : fmt::format("unseen regions ({})", name_of(split));
}

std::string cells_text(const Population& population, data::Split split) {
  return population.seen_cells ? "training cell types"
                               : fmt::format("unseen cell types ({})", name_of(split));
}

/// One line: nats per token and bits per base over all, repeats and unique sequence.
std::string dna_line(const char* name, const std::array<DnaTally, 3>& parts,
                     const std::array<double, 3>& nats) {
  std::string line = fmt::format("  {:<28}", name);
  for (std::size_t i = 0; i < 3; ++i) {
    line += fmt::format("{:>9.4f}", ratio(nats.at(i), parts.at(i).targets));
  }
  for (std::size_t i = 0; i < 3; ++i) {
    line += fmt::format("{:>9.4f}", bits(nats.at(i), parts.at(i).hidden_bases));
  }
  return line;
}

std::string dna_table(const Population& population) {
  const std::array<DnaTally, 3> parts = {sum_of(population.repeats, population.unique),
                                         population.repeats, population.unique};
  if (parts[0].targets == 0.0) return {};
  std::string text = fmt::format(
      "  {:.0f} hidden tokens, {:.0f} of them in repeats\n"
      "  {:<28}{:>27}{:>27}\n  {:<28}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>12}{:>10}\n",
      parts[0].targets, parts[1].targets, "DNA", "nats per token", "bits per base", "", "all",
      "repeats", "unique", "all", "repeats", "unique", "perplexity", "accuracy");
  text += dna_line("model", parts, {parts[0].nats, parts[1].nats, parts[2].nats});
  text += fmt::format("{:>12.1f}{:>10.4f}\n", std::exp(ratio(parts[0].nats, parts[0].targets)),
                      ratio(parts[0].correct, parts[0].targets));
  for (int kind = 0; kind < kNumDnaBaselines; ++kind) {
    const auto at = static_cast<std::size_t>(kind);
    text += dna_line(
                name_of(static_cast<DnaBaseline>(kind)), parts,
                {parts[0].baselines.at(at), parts[1].baselines.at(at), parts[2].baselines.at(at)}) +
            "\n";
  }
  return text;
}

/// The majority of the training cell types says something only about a cell type not among them.
bool applies(StateBaseline baseline, const Population& population) {
  return baseline != StateBaseline::majority || !population.seen_cells;
}

std::string state_table(const Population& population, std::int32_t num_states) {
  const StateTally& tally = population.states;
  if (tally.targets == 0.0) return {};
  std::string text = fmt::format(
      "  {:.0f} hidden bins, {:.0f} of them unlike a visible neighbour\n"
      "  {:<28}{:>9}{:>10}{:>10}{:>18}\n",
      tally.targets, tally.differing, "states", "nats", "accuracy", "macro-F1",
      "accuracy (unlike)");
  const std::string row = "  {:<28}{:>9.4f}{:>10.4f}{:>10}{:>18.4f}\n";
  text += fmt::format(fmt::runtime(row), "model", ratio(tally.nats, tally.targets),
                      ratio(tally.correct, tally.targets),
                      fmt::format("{:.4f}", tally.macro_f1(num_states)),
                      ratio(tally.differing_correct, tally.differing));
  for (int kind = 0; kind < kNumStateBaselines; ++kind) {
    const auto at = static_cast<std::size_t>(kind);
    if (!applies(static_cast<StateBaseline>(kind), population)) continue;
    text += fmt::format(fmt::runtime(row), name_of(static_cast<StateBaseline>(kind)),
                        ratio(tally.baseline_nats.at(at), tally.targets),
                        ratio(tally.baseline_correct.at(at), tally.targets), "",
                        ratio(tally.baseline_differing_correct.at(at), tally.differing));
  }
  return text;
}

nlohmann::json dna_json(const DnaTally& tally) {
  nlohmann::json json = {{"targets", tally.targets},
                         {"hidden_bases", tally.hidden_bases},
                         {"nats_per_token", ratio(tally.nats, tally.targets)},
                         {"perplexity", std::exp(ratio(tally.nats, tally.targets))},
                         {"bits_per_base", tally.bits_per_base()},
                         {"accuracy", ratio(tally.correct, tally.targets)}};
  for (int kind = 0; kind < kNumDnaBaselines; ++kind) {
    const double nats = tally.baselines.at(static_cast<std::size_t>(kind));
    json["baselines"][name_of(static_cast<DnaBaseline>(kind))] = {
        {"nats_per_token", ratio(nats, tally.targets)},
        {"bits_per_base", bits(nats, tally.hidden_bases)}};
  }
  return json;
}

nlohmann::json state_json(const Population& population, std::int32_t num_states) {
  const StateTally& tally = population.states;
  nlohmann::json json = {{"targets", tally.targets},
                         {"nats", ratio(tally.nats, tally.targets)},
                         {"accuracy", ratio(tally.correct, tally.targets)},
                         {"macro_f1", tally.macro_f1(num_states)},
                         {"differing", tally.differing},
                         {"accuracy_differing", ratio(tally.differing_correct, tally.differing)}};
  for (int kind = 0; kind < kNumStateBaselines; ++kind) {
    const auto at = static_cast<std::size_t>(kind);
    if (!applies(static_cast<StateBaseline>(kind), population)) continue;
    json["baselines"][name_of(static_cast<StateBaseline>(kind))] = {
        {"nats", ratio(tally.baseline_nats.at(at), tally.targets)},
        {"accuracy", ratio(tally.baseline_correct.at(at), tally.targets)},
        {"accuracy_differing", ratio(tally.baseline_differing_correct.at(at), tally.differing)}};
  }
  return json;
}

}  // namespace

double DnaTally::bits_per_base() const {
  return bits(nats, hidden_bases);
}

double StateTally::macro_f1(std::int32_t num_states) const {
  const auto states = static_cast<std::size_t>(num_states);
  double sum = 0.0;
  double occurring = 0.0;
  for (std::size_t state = 0; state < states && !confusion.empty(); ++state) {
    double truths = 0.0;
    double answers = 0.0;
    for (std::size_t other = 0; other < states; ++other) {
      truths += confusion.at(state * states + other);
      answers += confusion.at(other * states + state);
    }
    if (truths + answers == 0.0) continue;
    occurring += 1.0;
    sum += 2.0 * confusion.at(state * states + state) / (truths + answers);
  }
  return ratio(sum, occurring);
}

std::string to_table(const EvaluationReport& report) {
  std::string text = fmt::format("{} on the {} split, every target hidden, computed in {}\n",
                                 report.checkpoint, name_of(report.split), report.precision);
  if (!report.other_store.empty()) {
    text += fmt::format(
        "on another store than that of the training: {}\n"
        "\"training\" and \"unseen\" below are that store's splits; `epitrain leak` tells what the "
        "model has seen of it\n",
        report.other_store);
  }
  for (const Population& population : report.populations) {
    text += fmt::format("\n{} x {}: {} windows\n", regions_text(population, report.split),
                        cells_text(population, report.split), population.samples);
    text += dna_table(population);
    text += state_table(population, report.num_states);
  }
  return text;
}

std::string to_json(const EvaluationReport& report) {
  nlohmann::json json = {{"checkpoint", report.checkpoint},
                         {"step", report.step},
                         {"precision", report.precision},
                         {"split", name_of(report.split)}};
  if (!report.other_store.empty()) json["other_store"] = report.other_store;
  for (const Population& population : report.populations) {
    json["populations"].push_back(
        {{"seen_regions", population.seen_regions},
         {"seen_cells", population.seen_cells},
         {"samples", population.samples},
         {"dna",
          {{"all", dna_json(sum_of(population.repeats, population.unique))},
           {"repeats", dna_json(population.repeats)},
           {"unique", dna_json(population.unique)}}},
         {"states", state_json(population, report.num_states)}});
  }
  return json.dump(2) + "\n";
}

}  // namespace epi::train
