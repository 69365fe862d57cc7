// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/class_loss_loops.hpp"

#include "kernels/cpu/vec_span.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

constexpr float kLowest = -__builtin_inff();

float largest_of(const float* row, std::int64_t count) {
  Vec top = splat(kLowest);
  walk(count, [&](std::int64_t i, std::int64_t lanes)
                  EPI_STEP { top = maximum(top, load_some(row + i, lanes, kLowest)); });
  return largest(top);
}

/// 0 if the value is nowhere: a row with NaN.
std::int32_t first_of(const float* row, std::int64_t count, float value) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (row[i] == value) return static_cast<std::int32_t>(i);
  }
  return 0;
}

/// row = exp(row - offset); returns the sum.
float exponentials(float* row, std::int64_t count, float offset) {
  Vec total{};
  walk(count, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
    const Vec value = exp(load_some(row + i, lanes, kLowest) - offset);
    store_some(row + i, value, lanes);
    total += value;
  });
  return sum(total);
}

RowOfLogits row_loss(float* logits, std::int64_t classes, std::int64_t label, float scale) {
  RowOfLogits row{};
  row.largest = largest_of(logits, classes);
  row.best = first_of(logits, classes, row.largest);
  row.label_logit = logits[label];
  row.exp_sum = exponentials(logits, classes, row.largest);
  const float factor = scale / row.exp_sum;
  walk(classes, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
    store_some(logits + i, factor * load_some(logits + i, lanes), lanes);
  });
  logits[label] -= scale;
  return row;
}

}  // namespace

extern const ClassLossLoops class_loss_loops{row_loss};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
