#include "train/scaling_model.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "kernels/tokens.hpp"
#include "model/model_config.hpp"

namespace epi::train {
namespace {

constexpr double kSecondsPerDay = 86400.0;
constexpr double kBackwardShare = 2.0 / 3.0;  // 4 of 6 operations a weight and token
constexpr double kMessageBytes = 80.0;        // losses, counts and the wish to stop: ten doubles
constexpr int kMostRanks = 1 << 20;
constexpr std::int32_t kReferenceWindow = 512;
constexpr std::int32_t kReferenceStates = 25;

/// Gradients of one step as they were cut: all buckets alike.
std::vector<double> measured_buckets(const ScalingPoint& point) {
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(1, point.buckets));
  return std::vector<double>(count, point.setting.gradient_bytes / static_cast<double>(count));
}

/// From the end of the block to its begin; the one that nothing hides is small.
std::vector<double> planned_buckets(double bytes, double latency_s, double bytes_per_s) {
  constexpr double kLatencies = 10.0, kLeast = 4e6;
  const double wished = std::max(kLeast, kLatencies * latency_s * bytes_per_s);
  const double last = std::min(bytes, wished / 8.0);
  const double count = std::max(1.0, std::ceil((bytes - last) / wished));
  std::vector<double> buckets(static_cast<std::size_t>(count), (bytes - last) / count);
  buckets.push_back(last);
  return buckets;
}

ScalingRow row_of(const ScalingPoint& point, const ScalingSteps& steps,
                  const std::optional<dist::FittedNetwork>& fit) {
  ScalingRow row{.steps = steps, .ranks = point.ranks};
  row.tokens_per_s = static_cast<double>(steps.windows * point.setting.tokens) / steps.step_s;
  if (fit && point.ranks > 1) {
    dist::Network network = fit->network;
    network.ranks_per_node = point.ranks_per_node;
    const auto seconds = [&](double bytes) {
      return dist::allreduce_seconds(fit->algorithm, network, point.ranks, bytes);
    };
    const double backward = point.setting.overlaps ? kBackwardShare * steps.alone_s : 0.0;
    row.predicted_exposed_s =
        exposed_seconds(measured_buckets(point), backward, seconds) + seconds(kMessageBytes);
  }
  row.predicted_s = steps.alone_s + row.predicted_exposed_s;
  return row;
}

/// Per rank, against the first row.
void judge(std::vector<ScalingRow>& rows) {
  for (ScalingRow& row : rows) {
    row.efficiency = (row.tokens_per_s / row.ranks) / (rows[0].tokens_per_s / rows[0].ranks);
  }
}

const model::ModelConfig& reference_model() {
  static const model::ModelConfig config = [] {
    model::ModelConfig base = model::preset("base");
    base.num_states = kReferenceStates;
    return base;
  }();
  return config;
}

/// Operations a token of the base model with the default masks, and its parameters.
double reference_flops() {
  const kernels::TokenSpec tokens{6, 6, kReferenceWindow};
  const kernels::MaskSpec masks;
  constexpr std::int32_t kBinBp = 200;
  return model::flops_per_token(reference_model(),
                                {1, kReferenceWindow, kernels::dna_slots(tokens, masks),
                                 kernels::state_slots(tokens, masks, kBinBp)});
}

/// Weights and biases of encoder, embeddings and heads, whose products share the embedding.
double reference_parameters() {
  const model::ModelConfig& c = reference_model();
  const double h = c.hidden, i = c.intermediate;
  const double layer = 4.0 * h * h + 2.0 * h * i + 9.0 * h + i;
  const double tables = (c.vocabulary + c.positions + static_cast<double>(c.token_types())) * h;
  return c.layers * layer + tables + 2.0 * h + 2.0 * (h * h + 3.0 * h) + c.num_states * (h + 1.0) +
         c.vocabulary;
}

}  // namespace

std::vector<ScalingRow> ScalingStudy::rows_of(ScalingKind kind) const {
  std::vector<ScalingRow> found;
  std::ranges::copy_if(rows, std::back_inserter(found),
                       [&](const ScalingRow& row) { return row.steps.kind == kind; });
  return found;
}

ScalingStudy study_of(std::vector<ScalingPoint> points) {
  core::require(!points.empty(), "a study has points");
  ScalingStudy study;
  study.setting = points.front().setting;
  std::vector<dist::ExchangeSample> sums;
  for (const ScalingPoint& point : points) {
    sums.insert(sums.end(), point.sums.begin(), point.sums.end());
  }
  std::erase_if(sums, [](const dist::ExchangeSample& sum) { return sum.ranks == 1; });
  if (!sums.empty()) study.fit = dist::fit_network(sums);
  for (const ScalingKind kind : {ScalingKind::weak, ScalingKind::strong}) {
    std::vector<ScalingRow> rows;
    for (const ScalingPoint& point : points) {
      for (const ScalingSteps& steps : point.steps) {
        if (steps.kind == kind) rows.push_back(row_of(point, steps, study.fit));
      }
    }
    judge(rows);
    study.rows.insert(study.rows.end(), rows.begin(), rows.end());
  }
  study.points = std::move(points);
  return study;
}

double exposed_seconds(std::span<const double> buckets, double backward_s,
                       const std::function<double(double)>& seconds_of) {
  double all = 0.0;
  for (const double bytes : buckets) all += bytes;
  double passed = 0.0, end = 0.0;
  for (const double bytes : buckets) {
    passed += bytes;
    const double ready = all > 0.0 ? backward_s * passed / all : 0.0;
    end = std::max(end, ready) + seconds_of(bytes);
  }
  return std::max(0.0, end - backward_s);
}

PredictedStep predicted_step(const AloneStep& alone, dist::Allreduce algorithm,
                             const dist::Network& network, int ranks) {
  PredictedStep step{.step_s = alone.seconds};
  if (ranks == 1) return step;
  const auto seconds = [&](double bytes) {
    return dist::allreduce_seconds(algorithm, network, ranks, bytes);
  };
  const double latency = seconds(0.0);
  const double flow = seconds(alone.gradient_bytes) - latency;
  const std::vector<double> buckets =
      planned_buckets(alone.gradient_bytes, latency, alone.gradient_bytes / flow);
  for (const double bytes : buckets) step.exchange_s += seconds(bytes);
  const double backward = alone.overlaps ? kBackwardShare * alone.seconds : 0.0;
  step.exposed_s = exposed_seconds(buckets, backward, seconds) + seconds(kMessageBytes);
  step.step_s += step.exposed_s;
  return step;
}

dist::Allreduce best_allreduce(const AloneStep& alone, const dist::Network& network, int ranks) {
  return *std::ranges::min_element(dist::kAllreduces, {}, [&](dist::Allreduce algorithm) {
    return predicted_step(alone, algorithm, network, ranks).step_s;
  });
}

double predicted_tokens_per_s(const AloneStep& alone, const dist::Network& network, int ranks) {
  const dist::Allreduce best = best_allreduce(alone, network, ranks);
  return ranks * alone.tokens / predicted_step(alone, best, network, ranks).step_s;
}

AloneStep alone_step(const ScalingStudy& study) {
  const ScalingPoint* fullest = nullptr;
  for (const ScalingPoint& point : study.points) {
    if (!point.steps.empty() &&
        (fullest == nullptr || point.ranks_per_node >= fullest->ranks_per_node)) {
      fullest = &point;
    }
  }
  core::require(fullest != nullptr, "a point has steps");
  const ScalingSteps& steps = fullest->steps.front();  // weak where there is one
  return {.seconds = steps.alone_s,
          .tokens = static_cast<double>(steps.windows * study.setting.tokens) / fullest->ranks,
          .gradient_bytes = study.setting.gradient_bytes,
          .overlaps = study.setting.overlaps};
}

AloneStep at_base_size(const AloneStep& alone, const ScalingSetting& setting) {
  if (setting.model == "base" && setting.tokens == kReferenceWindow) return alone;
  AloneStep base = alone;
  base.seconds *= reference_flops() / setting.flops_per_token;
  base.gradient_bytes = sizeof(float) * reference_parameters();
  return base;
}

AloneStep device_at_base_size(double tokens_per_s) {
  constexpr double kTokens = 32768.0;  // 64 windows of 512
  return {.seconds = kTokens / tokens_per_s,
          .tokens = kTokens,
          .gradient_bytes = sizeof(float) * reference_parameters(),
          .overlaps = true};
}

double reference_days(const AloneStep& alone, const dist::Network& network, int ranks) {
  return kReferenceTokens / predicted_tokens_per_s(alone, network, ranks) / kSecondsPerDay;
}

std::optional<int> ranks_for(double days, const AloneStep& alone, const dist::Network& network) {
  const auto enough = [&](int ranks) { return reference_days(alone, network, ranks) <= days; };
  int most = 1;
  while (most < kMostRanks && !enough(most)) most *= 2;
  if (!enough(most)) return std::nullopt;
  int least = most / 2;  // not enough, or none
  while (most - least > 1) {
    const int middle = least + (most - least) / 2;
    (enough(middle) ? most : least) = middle;
  }
  return most;
}

}  // namespace epi::train
