// AdamW and LAMB over the flat parameter block. Bound by memory: AdamW takes one pass of 28 bytes a
// parameter. LAMB takes a second one, 40 bytes in all: the norms of a tensor must be known before
// its first parameter moves, and computing the direction anew is cheaper than keeping it.
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

/// The part of `slice` in begin..end, for the loops; its count may be 0 or less.
AdamStretch stretch_of(const UpdateArgs& args, const ParameterSlice& slice, float clip,
                       std::int64_t begin, std::int64_t end) {
  const std::int64_t first = std::max(begin, slice.offset);
  const std::int64_t last = std::min(end, slice.offset + slice.size);
  const StepState& state = *args.state;
  return {.parameters = args.parameters.as<float>() + first,
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
          .decay = slice.decay ? args.weight_decay : 0.0F};
}

/// The rounded copy of what has just changed.
void round_copy(const UpdateArgs& args, const AdamStretch& changed) {
  if (!args.weights) return;
  auto* weights = reinterpret_cast<std::uint16_t*>(args.weights.as<core::BFloat16>());
  const std::int64_t first = changed.parameters - args.parameters.as<float>();
  elementwise_loops().to_bf16(changed.parameters, weights + first, changed.count);
}

void update_by_adam(const UpdateArgs& args, const AdamStretch& job) {
  elementwise_loops().adam(job);
  round_copy(args, job);
}

/// Calls body(piece, slice, job) for every part of a slice that lies in a piece of the block.
/// Pieces of the block, not of tensors: biases would be tiny tasks. Slices ascend (ops.cpp).
template <class Body>
void for_stretches(const UpdateArgs& args, Pool& pool, const Cut& cut, const Body& body) {
  const float clip = clip_of(*args.state);
  pool.run(cut.count, [&](std::int64_t piece, int) {
    const std::int64_t begin = cut.begin(piece);
    const std::int64_t end = cut.end(piece);
    const auto ends_before = [](const ParameterSlice& slice, std::int64_t place) {
      return slice.offset + slice.size <= place;
    };
    auto slice = std::lower_bound(args.slices.begin(), args.slices.end(), begin, ends_before);
    for (; slice != args.slices.end() && slice->offset < end; ++slice) {
      const AdamStretch job = stretch_of(args, *slice, clip, begin, end);
      if (job.count > 0) body(piece, slice - args.slices.begin(), job);
    }
  });
}

/// What the learning rate is multiplied by; 1 where a norm is 0.
float trust_ratio(const LambNorms& norms) {
  if (!(norms.parameters > 0.0 && norms.directions > 0.0)) return 1.0F;
  return static_cast<float>(std::sqrt(norms.parameters) / std::sqrt(norms.directions));
}

/// Per slice, the sum of its parts in order.
void take_ratios(const UpdateArgs& args, const Cut& cut, const LambNorms* parts, float* ratios) {
  for (std::size_t s = 0; s < args.slices.size(); ++s) {
    const ParameterSlice& slice = args.slices[s];
    LambNorms norms{};
    if (slice.decay && slice.size > 0) {
      const std::int64_t last = (slice.offset + slice.size - 1) / cut.size;
      for (std::int64_t piece = slice.offset / cut.size; piece <= last; ++piece) {
        const LambNorms& part = parts[piece + static_cast<std::int64_t>(s)];
        norms.parameters += part.parameters;
        norms.directions += part.directions;
      }
    }
    ratios[s] = trust_ratio(norms);
  }
}

/// Where a piece and a slice meet leaves one part of the slice's norms, at place piece + slice:
/// along the block one of the two rises at each meeting, so no two share a place.
void update_by_lamb(const UpdateArgs& args, Pool& pool, const Cut& cut) {
  const auto slices = static_cast<std::int64_t>(args.slices.size());
  const std::int64_t places = cut.count + slices;
  Scratch scratch(pool, Scratch::bytes<LambNorms>(places) + Scratch::bytes<float>(slices));
  auto* const parts = scratch.take<LambNorms>(places);
  auto* const ratios = scratch.take<float>(slices);
  for_stretches(args, pool, cut, [&](std::int64_t piece, std::int64_t s, const AdamStretch& job) {
    if (!args.slices[static_cast<std::size_t>(s)].decay) return update_by_adam(args, job);
    parts[piece + s] = elementwise_loops().lamb_moments(job);
  });
  take_ratios(args, cut, parts, ratios);
  for_stretches(args, pool, cut, [&](std::int64_t, std::int64_t s, AdamStretch job) {
    if (!args.slices[static_cast<std::size_t>(s)].decay) return;
    job.learning_rate *= ratios[s];
    elementwise_loops().lamb_parameters(job);
    round_copy(args, job);
  });
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
  const Cut cut{args.parameters.size(), kElementsOfTask};
  if (args.optimizer == Optimizer::lamb) return update_by_lamb(args, pool, cut);
  for_stretches(args, pool, cut, [&](std::int64_t, std::int64_t, const AdamStretch& job) {
    update_by_adam(args, job);
  });
}

}  // namespace epi::kernels::cpu
