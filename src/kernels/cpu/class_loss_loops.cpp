// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/class_loss_loops.hpp"

#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_span.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

constexpr float kLowest = -__builtin_inff();

template <class T>
float largest_of(const T* logits, std::int64_t count) {
  Vec top = splat(kLowest);
  walk(count, [&](std::int64_t i, std::int64_t lanes)
                  EPI_STEP { top = maximum(top, load_some(logits + i, lanes, kLowest)); });
  return largest(top);
}

/// row = exp(logits - found.largest); notes the sum, and the first place of the largest: 0 if it is
/// nowhere, in a row with NaN.
template <class T>
void exponentials(const T* logits, std::int64_t count, float* row, RowOfLogits& found) {
  const Vec top = splat(found.largest);
  Vec total{};
  IVec place{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  IVec first = splat_int(INT32_MAX);
  walk(count, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
    const Vec logit = load_some(logits + i, lanes, kLowest);
    const IVec here = logit == top ? place : splat_int(INT32_MAX);
    first = here < first ? here : first;
    place += kLanes;
    const Vec value = exp(logit - top);
    store_some(row + i, value, lanes);
    total += value;
  });
  found.exp_sum = sum(total);
  std::int32_t lowest = INT32_MAX;
  for (std::int64_t lane = 0; lane < kLanes; ++lane) {
    if (first[lane] < lowest) lowest = first[lane];
  }
  found.best = lowest < count ? lowest : 0;
}

template <class T>
RowOfLogits row_loss(T* logits, std::int64_t classes, std::int64_t label, float scale, float* row) {
  RowOfLogits found{};
  found.largest = largest_of(logits, classes);
  found.label_logit = load_some(logits + label, 1)[0];
  exponentials(logits, classes, row, found);
  const float factor = scale / found.exp_sum;
  // In float and rounded once: near a sure answer softmax - 1 is what the subtraction leaves.
  const float at_label = factor * row[label] - scale;
  walk(classes, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
    store_some(logits + i, factor * load_some(row + i, lanes), lanes);
  });
  store_some(logits + label, splat(at_label), 1);
  return found;
}

}  // namespace

extern const ClassLossLoops class_loss_loops{row_loss<float>, row_loss<Bf16>};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
