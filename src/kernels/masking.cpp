// Target slots of a window. They are fixed by the shapes alone, so that every step has the same
// ones; a window that hides less leaves slots of weight 0.
#include "kernels/masking.hpp"

#include "kernels/ops.hpp"

namespace epi::kernels {

std::int64_t dna_slots(const TokenSpec& tokens, const MaskSpec& masks) {
  const SpanPlan plan = plan_spans(tokens, masks);
  return std::int64_t{plan.spans} * plan.tokens;
}

std::int64_t state_slots(const TokenSpec& tokens, const MaskSpec& masks, std::int32_t bin_bp) {
  core::require(bin_bp > 0, "bins have bases");
  // A window that starts inside a bin touches one bin more than it is long.
  return hidden_bins(masks, (tokens.window_bp() + bin_bp - 1) / bin_bp + 1);
}

}  // namespace epi::kernels
