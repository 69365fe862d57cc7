// Squared error and binary cross-entropy. A value is a scalar in double: there are few of them
// beside the activations that they come from.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kValuesOfTask = 4096;

struct ValueAndSlope {
  double value, slope;
};

/// (p - t)^2 and its derivative in p.
ValueAndSlope squared_error(double prediction, double target) {
  const double difference = prediction - target;
  return {difference * difference, 2.0 * difference};
}

/// log(1 + e^p) - t p with e^-|p|, which can't overflow.
ValueAndSlope binary_cross_entropy(double prediction, double target) {
  const double decay = std::exp(-std::abs(prediction));
  const double softplus = std::max(prediction, 0.0) + std::log1p(decay);
  const double sigmoid = (prediction >= 0.0 ? 1.0 : decay) / (1.0 + decay);
  return {softplus - target * prediction, sigmoid - target};
}

struct Totals {
  double loss = 0.0;
  double weight = 0.0;
};

Totals loss_of_piece(const ValueLossArgs& args, std::int64_t begin, std::int64_t end) {
  auto* predictions = args.predictions.as<float>();
  const auto* targets = args.targets.as<float>();
  const auto* weights = args.weights.as<float>();
  const double scale = args.state->loss_scale.at(static_cast<std::size_t>(args.term));
  const auto one = args.loss == ValueLoss::squared_error ? squared_error : binary_cross_entropy;
  Totals totals;
  for (std::int64_t i = begin; i < end; ++i) {
    const double weight = weights[i];
    const auto [value, slope] = one(predictions[i], targets[i]);
    predictions[i] = weight == 0.0 ? 0.0F : static_cast<float>(weight * scale * slope);
    if (weight == 0.0) continue;  // whatever it holds, NaN too
    totals.loss += weight * value;
    totals.weight += weight;
  }
  return totals;
}

}  // namespace

void value_loss(const ValueLossArgs& args, Pool& pool) {
  const Cut cut{args.predictions.size(), kValuesOfTask};
  Scratch scratch(pool, Scratch::bytes<Totals>(cut.count));
  auto* parts = scratch.take<Totals>(cut.count);
  pool.run(cut.count, [&](std::int64_t piece, int) {
    parts[piece] = loss_of_piece(args, cut.begin(piece), cut.end(piece));
  });
  for (std::int64_t piece = 0; piece < cut.count; ++piece) {
    args.totals.as<double>()[0] += parts[piece].loss;
    args.totals.as<double>()[1] += parts[piece].weight;
  }
}

}  // namespace epi::kernels::cpu
