#include "train/status.hpp"

#include <fmt/format.h>

namespace epi::train {
namespace {

std::string clock_text(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

double mebibytes(std::int64_t bytes) {
  return static_cast<double>(bytes) / 1048576.0;
}

}  // namespace

void StatusLine::add(const StepReport& report) {
  dna_ += report.dna;
  if (report.exchange && report.exchange->buckets > 0) exchange_.add(*report.exchange);
  state_ += report.state;
  seconds_ += report.seconds;
  const bool last = report.step == config_.train.steps;
  if (report.step % config_.log_every != 0 && !last) return;
  const double steps = static_cast<double>(report.step - last_step_);
  const double step_s = seconds_ / steps;
  const double tokens = static_cast<double>(config_.train.global_batch * config_.tokens.length);
  const double left = static_cast<double>(config_.train.steps - report.step);
  std::string losses;
  if (config_.dna_weight > 0.0) losses += fmt::format("  dna {:.4f}", dna_.loss());
  if (config_.state_weight > 0.0) losses += fmt::format("  states {:.4f}", state_.loss());
  const std::string exchange = exchange_.steps > 0 ? "  " + exchange_.text() : "";
  log_.info("step {}/{}  loss {:.4f}{}  lr {:.2e}  {:.0f} tokens/s{}  ETA {}", report.step,
            config_.train.steps,
            config_.dna_weight * dna_.loss() + config_.state_weight * state_.loss(), losses,
            report.learning_rate, tokens / step_s, exchange, clock_text(left * step_s));
  dna_ = {};
  exchange_ = {};
  state_ = {};
  seconds_ = 0.0;
  last_step_ = report.step;
}

std::string describe(const MaskedScores& scores) {
  std::string text = fmt::format("{} windows", scores.samples);
  if (scores.dna.targets > 0.0) {
    text += fmt::format(", dna {:.4f} nats a token = {:.4f} bits a base, accuracy {:.4f}",
                        scores.dna.loss(), scores.bits_per_base(), scores.dna.accuracy());
  }
  if (scores.state.targets > 0.0) {
    text += fmt::format(", states {:.4f} nats a bin, accuracy {:.4f}", scores.state.loss(),
                        scores.state.accuracy());
  }
  return text;
}

std::string describe_costs(const RunResult& result) {
  std::string parts;
  for (std::size_t i = 0; i < kNumParts; ++i) {
    const auto part = static_cast<Part>(i);
    if (result.timings.seconds(part) == 0.0) continue;
    parts += fmt::format("{}{} {:.2f} s", parts.empty() ? "" : ", ", name_of(part),
                         result.timings.seconds(part));
    if (part == Part::assemble) {
      parts += fmt::format(" ({:.2f} % of the steps)", 100.0 * result.timings.share(part));
    }
  }
  const std::string speed =
      result.tokens_per_s > 0.0 ? fmt::format("{:.0f} tokens/s", result.tokens_per_s) : "";
  const std::string memory =
      fmt::format("{:.0f} MiB of tensors per rank, peak resident {:.0f} MiB",
                  mebibytes(result.state_bytes), mebibytes(result.peak_bytes));
  std::string text;
  for (const std::string& part : {speed, memory, parts, result.exchange.text()}) {
    if (!part.empty()) text += (text.empty() ? "" : "; ") + part;
  }
  return text;
}

std::vector<EventField> cost_fields(const RunResult& result) {
  std::vector<EventField> fields = {{"loss", result.loss},
                                    {"skipped", result.skipped},
                                    {"tokens_per_s", result.tokens_per_s},
                                    {"state_bytes", result.state_bytes},
                                    {"peak_bytes", result.peak_bytes},
                                    {"assemble_share", result.timings.share(Part::assemble)}};
  for (std::size_t i = 0; i < kNumParts; ++i) {
    const auto part = static_cast<Part>(i);
    fields.push_back({std::string(name_of(part)) + "_s", result.timings.seconds(part)});
  }
  for (const EventField& field : result.exchange.fields()) fields.push_back(field);
  return fields;
}

}  // namespace epi::train
