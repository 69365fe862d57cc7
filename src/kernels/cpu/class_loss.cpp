// Softmax cross-entropy: each row of logits is read once from memory and overwritten by its
// gradient. Totals are added in double, in the order of rows.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/class_loss_loops.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/indices.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kRowsOfTask = 8;

struct RowResult {
  double loss;
  std::int64_t correct;
};

const ClassLossLoops& loops() {
  static const ClassLossLoops& table =
      pick(base::class_loss_loops, v3::class_loss_loops, v4::class_loss_loops);
  return table;
}

RowResult loss_of_row(const ClassLossArgs& args, std::int64_t m) {
  const std::int64_t classes = args.logits.shape(1);
  float* logits = args.logits.as<float>() + m * classes;
  const std::int32_t label = args.labels.as<std::int32_t>()[m];
  const float weight = args.weights.as<float>()[m];
  const float scale = weight * args.state->loss_scale.at(static_cast<std::size_t>(args.term));
  const bool unused = weight == 0.0F && !args.row_loss && !args.predicted;
  RowResult result{};
  if (!unused) {
    const RowOfLogits row = loops().row(logits, classes, label, scale);
    result.loss = double{row.largest} - double{row.label_logit} + std::log(double{row.exp_sum});
    result.correct = row.best == label ? 1 : 0;
    if (args.row_loss) args.row_loss.as<float>()[m] = static_cast<float>(result.loss);
    if (args.predicted) args.predicted.as<std::int32_t>()[m] = row.best;
  }
  // Whatever an unused slot holds, NaN too, its gradient is 0.
  if (weight == 0.0F) std::fill_n(logits, classes, 0.0F);
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

}  // namespace

void class_loss(const ClassLossArgs& args, Pool& pool) {
  require_indices("class_loss: labels", args.labels, args.logits.shape(1));
  const std::int64_t rows = args.logits.shape(0);
  Scratch scratch(pool, Scratch::bytes<RowResult>(rows));
  auto* results = scratch.take<RowResult>(rows);
  for_pieces(pool, {rows, kRowsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) results[m] = loss_of_row(args, m);
  });
  add_totals(args, results);
}

}  // namespace epi::kernels::cpu
