// Sizes are read from operands before they are checked, so nothing here may rely on them: absent
// views count as no bytes.
#include "kernels/op_cost.hpp"

#include <algorithm>

#include "kernels/ops.hpp"

namespace epi::kernels {
namespace {

template <class... Views>
double bytes_of(const Views&... views) {
  return (0.0 + ... + static_cast<double>(ConstView(views).bytes()));
}

double product(std::int64_t m, std::int64_t n, std::int64_t k) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

/// Rows and width of a matrix whose last axis is the width; of a list its length alone.
std::array<std::int64_t, 3> rows_and_width(const ConstView& view) {
  if (view.rank() == 1) return {view.size(), 0, 0};
  const std::int64_t width = view.rank() > 0 ? view.shape(view.rank() - 1) : 0;
  return {width > 0 ? view.size() / width : 0, width, 0};
}

/// What an accumulated output must be read for first.
double read_before(Write write, const View& out) {
  return write == Write::add ? bytes_of(out) : 0.0;
}

/// An op that is bound by memory.
OpCost moves(const char* op, const char* formula, const ConstView& model, double read,
             double written, Traffic traffic = Traffic::streams) {
  return {op, formula, 0.0, read, written, model.dtype(), traffic, rows_and_width(model)};
}

/// The rows of a table that `indices` look-ups can touch: each once, at most all.
double touched_bytes(const ConstView& table, std::int64_t indices) {
  if (!table || table.shape(0) == 0) return 0.0;
  const auto rows = static_cast<double>(table.shape(0));
  return bytes_of(table) / rows * std::min(rows, static_cast<double>(indices));
}

template <class Tables>
double tables_bytes(const Tables& tables, std::int64_t indices) {
  double sum = 0.0;
  for (const EmbedTable& table : tables) {
    sum += touched_bytes(table.rows, indices) + bytes_of(table.index);
  }
  return sum;
}

}  // namespace

OpCost cost(const AssembleArgs& a) {
  const double bases =
      static_cast<double>(a.samples.size()) * static_cast<double>(a.tokens.window_bp());
  return moves("assemble", "bases + all outputs", a.token_ids, bases,
               bytes_of(a.token_ids, a.type_ids, a.dna_rows, a.dna_labels, a.dna_weights,
                        a.state_rows, a.state_labels, a.state_weights));
}

OpCost cost(const EmbedArgs& a) {
  const std::int64_t rows = a.mean.size();
  return moves("embed", "table rows + indices + out", a.out,
               tables_bytes(a.tables, rows) + bytes_of(a.gamma, a.beta),
               bytes_of(a.out, a.mean, a.rstd));
}

OpCost cost(const EmbedGradArgs& a) {
  const std::int64_t rows = a.mean.size();
  double read = tables_bytes(a.tables, rows) + bytes_of(a.gamma, a.mean, a.rstd, a.dout);
  double written = bytes_of(a.dgamma, a.dbeta);
  for (std::size_t i = 0; i < a.drows.size(); ++i) {
    const bool adds = a.write.at(i) == Write::add;
    const double touched = touched_bytes(a.drows.at(i), rows);
    read += adds ? touched : 0.0;
    written += adds ? touched : bytes_of(a.drows.at(i));
  }
  return moves("embed_grad", "table rows + indices + dout + gradient tables", a.dout, read,
               written);
}

OpCost cost(const LinearArgs& a) {
  const std::int64_t m = a.x.shape(0), n = a.w.shape(0), k = a.w.shape(1);
  return {"linear",
          "2 M N K",
          2.0 * product(m, n, k),
          bytes_of(a.x, a.w, a.b),
          bytes_of(a.y, a.pre),
          a.x.dtype(),
          Traffic::streams,
          {m, n, k}};
}

OpCost cost(const LinearGradInputArgs& a) {
  const std::int64_t m = a.dy.shape(0), n = a.w.shape(0), k = a.w.shape(1);
  return {"linear_grad_input",    "2 M N K",
          2.0 * product(m, n, k), bytes_of(a.dy, a.w, a.pre) + read_before(a.write, a.dx),
          bytes_of(a.dx),         a.dy.dtype(),
          Traffic::streams,       {m, n, k}};
}

OpCost cost(const LinearGradWeightArgs& a) {
  const std::int64_t m = a.dy.shape(0), n = a.dw.shape(0), k = a.dw.shape(1);
  return {"linear_grad_weight",
          "2 M N K",
          2.0 * product(m, n, k),
          bytes_of(a.dy, a.x) + read_before(a.write, a.dw) + read_before(a.write, a.db),
          bytes_of(a.dw, a.db),
          a.dy.dtype(),
          Traffic::streams,
          {m, n, k}};
}

OpCost cost(const AttendArgs& a) {
  const std::int64_t b = a.qkv.shape(0), t = a.qkv.shape(1), h = a.qkv.shape(2) / 3;
  return {"attend",
          "4 B T^2 H",
          4.0 * static_cast<double>(b) * product(t, t, h),
          bytes_of(a.qkv, a.lengths),
          bytes_of(a.out, a.lse),
          a.qkv.dtype(),
          Traffic::streams,
          {b, t, h}};
}

OpCost cost(const AttendGradArgs& a) {
  const std::int64_t b = a.qkv.shape(0), t = a.qkv.shape(1), h = a.qkv.shape(2) / 3;
  return {"attend_grad",
          "8 B T^2 H",
          8.0 * static_cast<double>(b) * product(t, t, h),
          bytes_of(a.qkv, a.lengths, a.out, a.lse, a.dout),
          bytes_of(a.dqkv),
          a.qkv.dtype(),
          Traffic::streams,
          {b, t, h}};
}

OpCost cost(const AddNormArgs& a) {
  return moves("add_norm", "x + residual + out + sum", a.x,
               bytes_of(a.x, a.residual, a.gamma, a.beta), bytes_of(a.out, a.sum, a.mean, a.rstd));
}

OpCost cost(const AddNormGradArgs& a) {
  return moves("add_norm_grad", "sum + dout + dresidual + dx", a.sum,
               bytes_of(a.sum, a.mean, a.rstd, a.gamma, a.dout),
               bytes_of(a.dresidual, a.dx, a.dgamma, a.dbeta));
}

OpCost cost(const GatherRowsArgs& a) {
  return moves("gather_rows", "2 out + rows", a.out, bytes_of(a.out, a.rows, a.weights),
               bytes_of(a.out));
}

OpCost cost(const ScatterRowsArgs& a) {
  const double touched = touched_bytes(a.out, a.rows.size());
  const bool adds = a.write == Write::add;
  return moves("scatter_rows", "in + rows + out", a.in,
               bytes_of(a.in, a.rows, a.weights) + (adds ? touched : 0.0),
               adds ? touched : bytes_of(a.out));
}

OpCost cost(const ActivateArgs& a) {
  return moves("activate", "x + y", a.x, bytes_of(a.x), bytes_of(a.y));
}

OpCost cost(const ActivateGradArgs& a) {
  return moves("activate_grad", "x + dy + dx", a.x, bytes_of(a.x, a.dy), bytes_of(a.dx));
}

OpCost cost(const ClassLossArgs& a) {
  return moves("class_loss", "2 logits + labels + weights", a.logits,
               bytes_of(a.logits, a.labels, a.weights), bytes_of(a.logits, a.row_loss, a.predicted),
               Traffic::in_place);
}

OpCost cost(const ValueLossArgs& a) {
  return moves("value_loss", "2 predictions + targets + weights", a.predictions,
               bytes_of(a.predictions, a.targets, a.weights), bytes_of(a.predictions),
               Traffic::in_place);
}

OpCost cost(const CombineArgs& a) {
  return moves("combine", "a + b + out", a.a, bytes_of(a.a, a.b), bytes_of(a.out));
}

OpCost cost(const ConvertArgs& a) {
  return moves("convert", "in + out", a.in, bytes_of(a.in), bytes_of(a.out));
}

OpCost cost(const SumSquaresArgs& a) {
  return moves("sum_squares", "in", a.in, bytes_of(a.in), 0.0, Traffic::reads);
}

OpCost cost(const BeginStepArgs& a) {
  return moves("begin_step", "targets + updates", a.targets, bytes_of(a.targets, a.updates), 0.0,
               Traffic::reads);
}

OpCost cost(const UpdateArgs& a) {
  if (a.optimizer == Optimizer::lamb) {  // the second pass reads parameters and moments again
    return moves("update", a.weights ? "42 P" : "40 P", a.parameters,
                 bytes_of(a.parameters, a.gradients, a.moment1, a.moment2) +
                     bytes_of(a.parameters, a.moment1, a.moment2),
                 bytes_of(a.parameters, a.moment1, a.moment2, a.weights), Traffic::in_place);
  }
  return moves("update", a.weights ? "30 P" : "28 P", a.parameters,
               bytes_of(a.parameters, a.gradients, a.moment1, a.moment2),
               bytes_of(a.parameters, a.moment1, a.moment2, a.weights), Traffic::in_place);
}

}  // namespace epi::kernels
