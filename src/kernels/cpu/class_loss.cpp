// Softmax cross-entropy: each row of logits is read once from memory and overwritten by its
// gradient. Between the two its exponentials lie in float: in place, or in the thread's scratch if
// logits are bf16. Totals are added in double, in the order of rows.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/class_loss_loops.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/indices.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {
namespace {

struct RowResult {
  double loss;
  std::int64_t correct;
};

const ClassLossLoops& loops() {
  static const ClassLossLoops& table =
      pick(base::class_loss_loops, v3::class_loss_loops, v4::class_loss_loops);
  return table;
}

RowOfLogits replace_row(float* logits, std::int64_t classes, std::int64_t label, float scale,
                        float*) {
  return loops().f32(logits, classes, label, scale, logits);
}
RowOfLogits replace_row(Bf16* logits, std::int64_t classes, std::int64_t label, float scale,
                        float* row) {
  return loops().bf16(logits, classes, label, scale, row);
}

/// `row` is room for one row in float.
template <class T>
RowResult loss_of_row(const ClassLossArgs& args, std::int64_t m, float* row) {
  const std::int64_t classes = args.logits.shape(1);
  T* logits = elements<T>(args.logits) + m * classes;
  const std::int32_t label = args.labels.as<std::int32_t>()[m];
  const float weight = args.weights.as<float>()[m];
  const float scale = weight * args.state->loss_scale.at(static_cast<std::size_t>(args.term));
  const bool unused = weight == 0.0F && !args.row_loss && !args.predicted;
  RowResult result{};
  if (!unused) {
    const RowOfLogits was = replace_row(logits, classes, label, scale, row);
    result.loss = double{was.largest} - double{was.label_logit} + std::log(double{was.exp_sum});
    result.correct = was.best == label ? 1 : 0;
    if (args.row_loss) args.row_loss.as<float>()[m] = static_cast<float>(result.loss);
    if (args.predicted) args.predicted.as<std::int32_t>()[m] = was.best;
  }
  // Whatever an unused slot holds, NaN too, its gradient is 0.
  if (weight == 0.0F) std::fill_n(logits, classes, T{});
  return result;
}

/// One thread, in row order, so totals have the same bits at any number of threads.
void add_totals(const ClassLossArgs& args, const RowResult* results) {
  const auto* weights = args.weights.as<float>();
  auto* totals = args.totals.as<double>();
  for (std::int64_t m = 0; m < args.logits.shape(0); ++m) {
    if (weights[m] == 0.0F) continue;
    totals[0] += double{weights[m]} * results[m].loss;
    totals[1] += double{weights[m]};
    totals[2] += double{weights[m]} * static_cast<double>(results[m].correct);
  }
}

template <class T>
void each_row(const ClassLossArgs& args, Pool& pool) {
  const std::int64_t rows = args.logits.shape(0);
  const std::int64_t classes = args.logits.shape(1);
  const std::int64_t room = std::is_same_v<T, float> ? 0 : classes;  // per thread
  Scratch scratch(pool,
                  Scratch::bytes<RowResult>(rows) + Scratch::bytes<float>(pool.threads() * room));
  auto* results = scratch.take<RowResult>(rows);
  auto* memory = scratch.take<float>(pool.threads() * room);
  const Cut cut = cut_rows(rows, classes);
  pool.run(cut.count, [&](std::int64_t piece, int thread) {
    for (std::int64_t m = cut.begin(piece); m < cut.end(piece); ++m) {
      results[m] = loss_of_row<T>(args, m, memory + thread * room);
    }
  });
  add_totals(args, results);
}

}  // namespace

void class_loss(const ClassLossArgs& args, Pool& pool) {
  require_indices("class_loss: labels", args.labels, args.logits.shape(1));
  with_element(args.logits.dtype(), [&](auto t) { each_row<decltype(t)>(args, pool); });
}

}  // namespace epi::kernels::cpu
