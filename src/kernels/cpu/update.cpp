// AdamW over the flat parameter block, in one pass. Bound by memory: 28 bytes per parameter.
#include <algorithm>
#include <cmath>

#include "core/bf16.hpp"
#include "kernels/begin_step.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elementwise_loops.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kElementsOfTask = 64 * 1024;

/// In double, as the sum of squares comes; only the factor is rounded.
float clip_of(const StepState& state) {
  if (state.max_gradient_norm <= 0.0F) return 1.0F;
  constexpr double kTiny = 1e-6;  // as torch.nn.utils.clip_grad_norm_
  const double norm = std::sqrt(state.gradient_sum_squares);
  return static_cast<float>(std::min(1.0, double{state.max_gradient_norm} / (norm + kTiny)));
}

/// The part of `slice` in begin..end, with its weight decay.
void update_stretch(const UpdateArgs& args, const ParameterSlice& slice, float clip,
                    std::int64_t begin, std::int64_t end) {
  const std::int64_t first = std::max(begin, slice.offset);
  const std::int64_t last = std::min(end, slice.offset + slice.size);
  if (first >= last) return;
  const StepState& state = *args.state;
  elementwise_loops().adam({.parameters = args.parameters.as<float>() + first,
                            .gradients = args.gradients.as<float>() + first,
                            .moment1 = args.moment1.as<float>() + first,
                            .moment2 = args.moment2.as<float>() + first,
                            .count = last - first,
                            .clip = clip,
                            .beta1 = args.beta1,
                            .beta2 = args.beta2,
                            .inverse_correction1 = 1.0F / state.bias_correction1,
                            .inverse_correction2 = 1.0F / state.bias_correction2,
                            .learning_rate = state.learning_rate,
                            .epsilon = args.epsilon,
                            .decay = slice.decay ? args.weight_decay : 0.0F});
  if (!args.weights) return;
  auto* weights = reinterpret_cast<std::uint16_t*>(args.weights.as<core::BFloat16>());
  elementwise_loops().to_bf16(args.parameters.as<float>() + first, weights + first, last - first);
}

}  // namespace

void begin_step(const BeginStepArgs& args) {
  const StepBeginning begin{args.term_weights, args.weight_in_repeats, args.beta1, args.beta2};
  for (StepState& state : args.states) {
    kernels::begin_step(begin, args.targets.as<double>(), *args.updates.as<std::int64_t>(), state);
  }
}

void update(const UpdateArgs& args, Pool& pool) {
  args.state->skipped = std::isfinite(args.state->gradient_sum_squares) ? 0 : 1;
  if (args.state->skipped != 0) return;
  if (args.updates) ++*args.updates.as<std::int64_t>();
  const float clip = clip_of(*args.state);
  // Pieces of the block, not of tensors: biases would be tiny tasks. Slices ascend (ops.cpp).
  const Cut cut{args.parameters.size(), kElementsOfTask};
  for_pieces(pool, cut, [&](std::int64_t begin, std::int64_t end) {
    const auto ends_before = [](const ParameterSlice& slice, std::int64_t place) {
      return slice.offset + slice.size <= place;
    };
    auto slice = std::lower_bound(args.slices.begin(), args.slices.end(), begin, ends_before);
    for (; slice != args.slices.end() && slice->offset < end; ++slice) {
      update_stretch(args, *slice, clip, begin, end);
    }
  });
}

}  // namespace epi::kernels::cpu
