// AdamW with decoupled weight decay and clipping by the global norm, in double.
#include <algorithm>
#include <cmath>

#include "core/bf16.hpp"
#include "reference/reference.hpp"

namespace epi::reference {
namespace {

double clip_of(const kernels::StepState& state) {
  if (state.max_gradient_norm <= 0.0F) return 1.0;
  const double norm = std::sqrt(state.gradient_sum_squares);
  return std::min(1.0, double{state.max_gradient_norm} / (norm + 1e-6));
}

}  // namespace

void update(const kernels::UpdateArgs& args) {
  args.state->skipped = std::isfinite(args.state->gradient_sum_squares) ? 0 : 1;
  if (args.state->skipped != 0) return;
  if (args.updates) ++*args.updates.as<std::int64_t>();
  const double clip = clip_of(*args.state);
  const double beta1 = args.beta1;
  const double beta2 = args.beta2;
  for (const kernels::ParameterSlice& slice : args.slices) {
    const double decay = slice.decay ? double{args.weight_decay} : 0.0;
    for (std::int64_t i = slice.offset; i < slice.offset + slice.size; ++i) {
      const double g = args.gradients.as<double>()[i] * clip;
      double& p = args.parameters.as<double>()[i];
      double& m = args.moment1.as<double>()[i];
      double& v = args.moment2.as<double>()[i];
      m = beta1 * m + (1.0 - beta1) * g;
      v = beta2 * v + (1.0 - beta2) * g * g;
      const double corrected = m / double{args.state->bias_correction1};
      const double scale = std::sqrt(v / double{args.state->bias_correction2});
      p -= double{args.state->learning_rate} *
           (corrected / (scale + double{args.epsilon}) + decay * p);
      if (!args.weights) continue;
      const auto exact = static_cast<float>(round_to_bf16(p));
      args.weights.as<core::BFloat16>()[i] = core::to_bf16(exact);
    }
  }
}

}  // namespace epi::reference
