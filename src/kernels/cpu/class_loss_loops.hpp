// Softmax cross-entropy of one row of logits. See isa.hpp for the scheme. A row (16 KiB at 4,101
// classes) stays in the first-level cache between its passes.
#pragma once

#include <cstdint>

#include "kernels/cpu/bf16_element.hpp"

namespace epi::kernels::cpu {

/// What a row was before its logits became their gradient.
struct RowOfLogits {
  float largest;
  float exp_sum;  ///< of exp(logit - largest)
  float label_logit;
  std::int32_t best;  ///< lowest index of the largest logit
};

struct ClassLossLoops {
  /// logits = scale * (softmax(logits) - onehot(label)). `row` is room for the exponentials in
  /// float, which bf16 would spoil; it may be `logits` itself in the first one.
  RowOfLogits (*f32)(float* logits, std::int64_t classes, std::int64_t label, float scale,
                     float* row);
  RowOfLogits (*bf16)(Bf16* logits, std::int64_t classes, std::int64_t label, float scale,
                      float* row);
};

namespace base {
extern const ClassLossLoops class_loss_loops;
}
namespace v3 {
extern const ClassLossLoops class_loss_loops;
}
namespace v4 {
extern const ClassLossLoops class_loss_loops;
}

}  // namespace epi::kernels::cpu
