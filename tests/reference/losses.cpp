// Softmax cross-entropy and value losses with their gradients, in double.
#include <algorithm>
#include <cmath>

#include "reference/reference.hpp"

namespace epi::reference {
namespace {

double scale_of(const kernels::StepState& state, kernels::LossTerm term) {
  return static_cast<double>(state.loss_scale.at(static_cast<std::size_t>(term)));
}

struct ValueAndSlope {
  double value, slope;
};

ValueAndSlope value_loss_of(kernels::ValueLoss loss, double prediction, double target) {
  if (loss == kernels::ValueLoss::squared_error) {
    const double difference = prediction - target;
    return {difference * difference, 2.0 * difference};
  }
  // log(1 + e^p) without overflow.
  const double softplus = std::max(prediction, 0.0) + std::log1p(std::exp(-std::abs(prediction)));
  return {softplus - target * prediction, 1.0 / (1.0 + std::exp(-prediction)) - target};
}

}  // namespace

void class_loss(const kernels::ClassLossArgs& args) {
  const std::int64_t classes = args.logits.shape(1);
  const double scale = scale_of(*args.state, args.term);
  auto* totals = args.totals.as<double>();
  for (std::int64_t m = 0; m < args.logits.shape(0); ++m) {
    double* row = args.logits.as<double>() + m * classes;
    const std::int64_t label = args.labels.as<std::int32_t>()[m];
    const double weight = args.weights.as<double>()[m];
    const std::int64_t best = std::max_element(row, row + classes) - row;
    const double largest = row[best];
    double sum = 0.0;
    for (std::int64_t v = 0; v < classes; ++v) sum += std::exp(row[v] - largest);
    const double lse = largest + std::log(sum);
    const double loss = lse - row[label];
    if (args.row_loss) args.row_loss.as<double>()[m] = loss;
    if (args.predicted) args.predicted.as<std::int32_t>()[m] = static_cast<std::int32_t>(best);
    if (weight != 0.0) {
      totals[0] += weight * loss;
      totals[1] += weight;
      totals[2] += best == label ? weight : 0.0;
    }
    for (std::int64_t v = 0; v < classes; ++v) {
      row[v] = weight == 0.0 ? 0.0
                             : weight * scale * (std::exp(row[v] - lse) - (v == label ? 1.0 : 0.0));
    }
  }
}

void value_loss(const kernels::ValueLossArgs& args) {
  const double scale = scale_of(*args.state, args.term);
  for (std::int64_t i = 0; i < args.predictions.size(); ++i) {
    double& prediction = args.predictions.as<double>()[i];
    const double weight = args.weights.as<double>()[i];
    const auto [value, slope] = value_loss_of(args.loss, prediction, args.targets.as<double>()[i]);
    prediction = weight == 0.0 ? 0.0 : weight * scale * slope;
    if (weight == 0.0) continue;
    args.totals.as<double>()[0] += weight * value;
    args.totals.as<double>()[1] += weight;
  }
}

}  // namespace epi::reference
