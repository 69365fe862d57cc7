// AdamW with decoupled weight decay, LAMB, and clipping by the global norm, in double.
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/bf16.hpp"
#include "reference/reference.hpp"

namespace epi::reference {
namespace {

double clip_of(const kernels::StepState& state) {
  if (state.max_gradient_norm <= 0.0F) return 1.0;
  const double norm = std::sqrt(state.gradient_sum_squares);
  return std::min(1.0, double{state.max_gradient_norm} / (norm + 1e-6));
}

/// u of UpdateArgs for the elements of a slice, whose moments are brought up to date.
std::vector<double> directions(const kernels::UpdateArgs& args, const kernels::ParameterSlice& s) {
  const double clip = clip_of(*args.state);
  const double beta1 = args.beta1;
  const double beta2 = args.beta2;
  std::vector<double> all;
  for (std::int64_t i = s.offset; i < s.offset + s.size; ++i) {
    const double g = args.gradients.as<double>()[i] * clip;
    double& m = args.moment1.as<double>()[i];
    double& v = args.moment2.as<double>()[i];
    m = beta1 * m + (1.0 - beta1) * g;
    v = beta2 * v + (1.0 - beta2) * g * g;
    const double corrected = m / double{args.state->bias_correction1};
    const double scale = std::sqrt(v / double{args.state->bias_correction2});
    const double decay = s.decay ? double{args.weight_decay} : 0.0;
    all.push_back(corrected / (scale + double{args.epsilon}) +
                  decay * args.parameters.as<double>()[i]);
  }
  return all;
}

/// |p| / |u|, 1 where either is 0, and 1 where LAMB does not adapt.
double trust_ratio(const kernels::UpdateArgs& args, const kernels::ParameterSlice& s,
                   const std::vector<double>& u) {
  if (args.optimizer != kernels::Optimizer::lamb || !s.decay) return 1.0;
  double p2 = 0.0;
  double u2 = 0.0;
  for (std::int64_t i = s.offset; i < s.offset + s.size; ++i) {
    p2 += args.parameters.as<double>()[i] * args.parameters.as<double>()[i];
  }
  for (const double x : u) u2 += x * x;
  return p2 > 0.0 && u2 > 0.0 ? std::sqrt(p2 / u2) : 1.0;
}

}  // namespace

void update(const kernels::UpdateArgs& args) {
  args.state->skipped = std::isfinite(args.state->gradient_sum_squares) ? 0 : 1;
  if (args.state->skipped != 0) return;
  if (args.updates) ++*args.updates.as<std::int64_t>();
  for (const kernels::ParameterSlice& slice : args.slices) {
    const std::vector<double> u = directions(args, slice);
    const double rate = double{args.state->learning_rate} * trust_ratio(args, slice, u);
    for (std::int64_t j = 0; j < slice.size; ++j) {
      double& p = args.parameters.as<double>()[slice.offset + j];
      p -= rate * u[static_cast<std::size_t>(j)];
      if (!args.weights) continue;
      const auto exact = static_cast<float>(round_to_bf16(p));
      args.weights.as<core::BFloat16>()[slice.offset + j] = core::to_bf16(exact);
    }
  }
}

}  // namespace epi::reference
