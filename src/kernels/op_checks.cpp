// See the header. One function per argument struct, in the order of ops.hpp.
#include "kernels/op_checks.hpp"

#include <fmt/format.h>

namespace epi::kernels {
namespace {

using core::DType;
using Tables = std::array<EmbedTable, kMaxEmbedTables>;

std::int64_t last(const ConstView& view) {
  return view.shape(view.rank() - 1);
}

/// `elements`: of one sample; their number divided by four is a 32-bit counter word.
void check_dropout(const Check& c, const Dropout& dropout, const StepState* state,
                   std::int64_t elements) {
  c.promise(dropout.probability >= 0.0F && dropout.probability < 1.0F,
            "the dropout probability must be in [0, 1)");
  if (dropout.probability == 0.0F) return;
  c.promise(state != nullptr, "dropout needs a StepState");
  c.promise(dropout.site < (1U << 16U), "dropout sites must be below 65536");
  c.promise(elements <= std::int64_t{1} << 34U, "a sample has more than 2^34 dropout elements");
}

// --- assemble

void check_slots(Check& c, const std::array<const char*, 3>& names,
                 const std::array<View, 3>& views, std::int64_t batch, std::int64_t slots) {
  for (std::size_t i = 0; i < 3; ++i) {
    const DType type = i == 2 ? DType::f32 : DType::i32;
    if (slots > 0) {
      c.out(names.at(i), views.at(i), type, {batch, slots});
    } else {
      c.promise(views.at(i).size() == 0, "operands of a task without targets must be absent");
    }
  }
}

void check_tokens(const Check& c, const TokenSpec& tokens) {
  constexpr std::int32_t kLongest =
      12;  // 4^12 k-mers: larger vocabularies overflow nothing but sense
  c.promise(tokens.k >= 1 && tokens.k <= kLongest, "k must be in 1..12");
  c.promise(tokens.stride >= 1 && tokens.stride <= tokens.k, "the stride must be in 1..k");
  c.promise(tokens.length >= 3, "a window needs at least 3 tokens");
}

}  // namespace

/// Users choose regions, so a window outside of its segment is the input's fault.
void check_samples(const core::CorpusView& corpus, std::span<const core::SampleRef> samples,
                   const TokenSpec& tokens) {
  const auto num_segments = static_cast<std::int64_t>(corpus.segments.size());
  for (const core::SampleRef& sample : samples) {
    const std::int64_t segment = sample.window.segment;
    const std::int64_t first = sample.window.offset_bp;
    const std::int64_t length = segment >= 0 && segment < num_segments
                                    ? corpus.segments[static_cast<std::size_t>(segment)].length_bp
                                    : 0;
    if (first < 0 || first + tokens.window_bp() > length) {
      throw core::InputError(
          fmt::format("a window of {} bases at {} lies outside of segment {} of {} bases",
                      tokens.window_bp(), first, segment, length));
    }
    if (sample.cell < -1 || sample.cell >= corpus.num_cells) {
      throw core::InputError(
          fmt::format("cell type {} is not one of the corpus's {}", sample.cell, corpus.num_cells));
    }
  }
}

void check(const AssembleArgs& a, Check c) {
  c.promise(a.corpus != nullptr && a.state != nullptr, "needs a corpus and a StepState");
  c.promise(a.corpus->bin_bp >= 1, "the corpus has no bin size");
  check_tokens(c, a.tokens);
  const auto batch = static_cast<std::int64_t>(a.samples.size());
  c.out("token_ids", a.token_ids, DType::i32, {batch, a.tokens.length});
  c.out("type_ids", a.type_ids, DType::i32, {batch, a.tokens.length});
  check_slots(c, {"dna_rows", "dna_labels", "dna_weights"},
              {a.dna_rows, a.dna_labels, a.dna_weights}, batch, dna_slots(a.tokens, a.masks));
  check_slots(c, {"state_rows", "state_labels", "state_weights"},
              {a.state_rows, a.state_labels, a.state_weights}, batch,
              state_slots(a.tokens, a.masks, a.corpus->bin_bp));
  c.out_list("counts", a.counts, DType::i64, kNumCounts);
  c.no_overlaps();
  if (a.token_ids.device() == core::kCpu) check_samples(*a.corpus, a.samples, a.tokens);
}

namespace {

// --- embed

constexpr std::array<const char*, kMaxEmbedTables> kTableNames = {
    "rows of table 0", "rows of table 1", "rows of table 2", "rows of table 3"};
constexpr std::array<const char*, kMaxEmbedTables> kIndexNames = {
    "index of table 0", "index of table 1", "index of table 2", "index of table 3"};
constexpr std::array<const char*, kMaxEmbedTables> kGradNames = {"drows 0", "drows 1", "drows 2",
                                                                 "drows 3"};

/// `model` is [B, T, H].
void check_tables(Check& c, const Tables& tables, const ConstView& model) {
  const std::int64_t tokens = model.shape(1);
  const std::int64_t hidden = model.shape(2);
  c.promise(static_cast<bool>(tables.front().rows), "needs at least one table");
  for (std::size_t i = 0; i < tables.size() && tables.at(i).rows; ++i) {
    const EmbedTable& table = tables.at(i);
    c.shaped(kTableNames.at(i), table.rows, 2);
    c.in(kTableNames.at(i), table.rows, DType::f32, {table.rows.shape(0), hidden});
    if (table.index) {
      c.in_list(kIndexNames.at(i), table.index, DType::i32, model.shape(0) * tokens);
    } else {
      c.promise(table.rows.shape(0) >= tokens, "a table without index has fewer rows than tokens");
    }
  }
}

}  // namespace

void check(const EmbedArgs& a, Check c) {
  c.shaped("out", a.out, 3);
  const std::int64_t rows = a.out.shape(0) * a.out.shape(1);
  const std::int64_t hidden = a.out.shape(2);
  check_tables(c, a.tables, a.out);
  c.in("gamma", a.gamma, DType::f32, {hidden});
  c.in("beta", a.beta, DType::f32, {hidden});
  c.out("out", a.out, c.activation_type(a.out), {a.out.shape(0), a.out.shape(1), hidden});
  c.out_list("mean", a.mean, DType::f32, rows);
  c.out_list("rstd", a.rstd, DType::f32, rows);
  check_dropout(c, a.dropout, a.state, a.out.shape(1) * hidden);
  c.no_overlaps();
}

void check(const EmbedGradArgs& a, Check c) {
  c.shaped("dout", a.dout, 3);
  const std::int64_t rows = a.dout.shape(0) * a.dout.shape(1);
  const std::int64_t hidden = a.dout.shape(2);
  check_tables(c, a.tables, a.dout);
  for (std::size_t i = 0; i < a.tables.size() && a.tables.at(i).rows; ++i) {
    c.out_like(kGradNames.at(i), a.drows.at(i), a.tables.at(i).rows);
  }
  c.in("dout", a.dout, c.activation_type(a.dout), {a.dout.shape(0), a.dout.shape(1), hidden});
  c.in("gamma", a.gamma, DType::f32, {hidden});
  c.in_list("mean", a.mean, DType::f32, rows);
  c.in_list("rstd", a.rstd, DType::f32, rows);
  c.out("dgamma", a.dgamma, DType::f32, {hidden});
  c.out("dbeta", a.dbeta, DType::f32, {hidden});
  check_dropout(c, a.dropout, a.state, a.dout.shape(1) * hidden);
  c.no_overlaps();
}

namespace {

// --- linear

void check_epilogue(const Check& c, Activation epilogue) {
  c.promise(epilogue == Activation::none || epilogue == Activation::gelu_tanh,
            "the epilogue must be none or gelu_tanh");
}

/// N*: what the rows of `view` hold where they should hold `columns`.
std::int64_t width(const ConstView& view, std::int64_t columns, const Ops& ops) {
  const bool padded = view.rank() == 2 && view.shape(1) == ops.row_width(columns, view.dtype());
  return padded ? view.shape(1) : columns;
}

}  // namespace

void check(const LinearArgs& a, Check c, const Ops& ops) {
  c.shaped("x", a.x, 2);
  c.shaped("w", a.w, 2);
  const std::int64_t rows = a.x.shape(0);
  const std::int64_t outputs = a.w.shape(0);
  const DType type = c.activation_type(a.x);
  c.in("x", a.x, type, {rows, a.x.shape(1)});
  c.in("w", a.w, ops.weights_type(type), {outputs, a.x.shape(1)});
  if (a.b) c.in("b", a.b, ops.weights_type(type), {outputs});
  c.out("y", a.y, type, {rows, width(a.y, outputs, ops)});
  check_epilogue(c, a.epilogue);
  if (a.epilogue == Activation::none) {
    c.absent("pre", a.pre);
  } else {
    c.out_like("pre", a.pre, a.y);
  }
  c.no_overlaps();
}

void check(const LinearGradInputArgs& a, Check c, const Ops& ops) {
  c.shaped("dy", a.dy, 2);
  c.shaped("w", a.w, 2);
  const std::int64_t rows = a.dy.shape(0);
  const std::int64_t outputs = a.w.shape(0);
  const std::int64_t inputs = a.w.shape(1);
  const DType type = c.activation_type(a.dy);
  c.in("dy", a.dy, type, {rows, width(a.dy, outputs, ops)});
  c.in("w", a.w, ops.weights_type(type), {outputs, inputs});
  check_epilogue(c, a.epilogue);
  if (a.epilogue == Activation::none) {
    c.absent("pre", a.pre);
  } else {
    c.in("pre", a.pre, type, {rows, inputs});
  }
  c.out("dx", a.dx, type, {rows, inputs});
  c.no_overlaps();
}

void check(const LinearGradWeightArgs& a, Check c, const Ops& ops) {
  c.shaped("dy", a.dy, 2);
  c.shaped("x", a.x, 2);
  c.shaped("dw", a.dw, 2);
  const std::int64_t rows = a.dy.shape(0);
  const std::int64_t outputs = a.dw.shape(0);
  const DType type = c.activation_type(a.dy);
  c.in("dy", a.dy, type, {rows, width(a.dy, outputs, ops)});
  c.in("x", a.x, type, {rows, a.x.shape(1)});
  c.promise(a.activation != Activation::tanh, "the activation must be none, gelu or gelu_tanh");
  c.out("dw", a.dw, DType::f32, {outputs, a.x.shape(1)});
  if (a.db) c.out("db", a.db, DType::f32, {outputs});
  c.no_overlaps();
}

namespace {

// --- attend

/// Returns {B, T, H} of a packed [B, T, 3H] operand.
template <class Args>
std::array<std::int64_t, 3> check_packed(Check& c, const Args& a) {
  c.shaped("qkv", a.qkv, 3);
  const std::int64_t batch = a.qkv.shape(0);
  const std::int64_t tokens = a.qkv.shape(1);
  const std::int64_t width = a.qkv.shape(2);
  c.promise(a.heads >= 1 && width % (3 * std::int64_t{a.heads}) == 0,
            "the last dimension of qkv must be a multiple of 3 * heads");
  c.in("qkv", a.qkv, c.activation_type(a.qkv), {batch, tokens, width});
  if (a.lengths) c.in_list("lengths", a.lengths, DType::i32, batch);
  check_dropout(c, a.dropout, a.state, a.heads * tokens * tokens);
  return {batch, tokens, width / 3};
}

}  // namespace

void check(const AttendArgs& a, Check c) {
  const auto [batch, tokens, hidden] = check_packed(c, a);
  c.out("out", a.out, a.qkv.dtype(), {batch, tokens, hidden});
  c.out_list("lse", a.lse, DType::f32, batch * a.heads * tokens);
  c.no_overlaps();
}

void check(const AttendGradArgs& a, Check c) {
  const auto [batch, tokens, hidden] = check_packed(c, a);
  c.in("out", a.out, a.qkv.dtype(), {batch, tokens, hidden});
  c.in_list("lse", a.lse, DType::f32, batch * a.heads * tokens);
  c.in("dout", a.dout, a.qkv.dtype(), {batch, tokens, hidden});
  c.out("dqkv", a.dqkv, a.qkv.dtype(), {batch, tokens, 3 * hidden});
  c.no_overlaps();
}

namespace {

// --- add_norm

void check_activations(const Check& c, const char* name, const ConstView& view) {
  c.shaped(name, view, 0);
  (void)c.activation_type(view);
  c.promise(view.rank() == 2 || view.rank() == 3, "activations must be [B, T, H] or [M, H]");
}

}  // namespace

void check(const AddNormArgs& a, Check c) {
  check_activations(c, "x", a.x);
  const std::int64_t hidden = last(a.x);
  const std::int64_t rows = a.x.size() / hidden;
  c.in_like("x", a.x, a.x);
  if (a.residual) c.in_like("residual", a.residual, a.x);
  c.in("gamma", a.gamma, DType::f32, {hidden});
  c.in("beta", a.beta, DType::f32, {hidden});
  c.out_like("out", a.out, a.x);
  c.out_like("sum", a.sum, a.x);
  c.out_list("mean", a.mean, DType::f32, rows);
  c.out_list("rstd", a.rstd, DType::f32, rows);
  check_dropout(c, a.dropout, a.state, a.x.size() / a.x.shape(0));
  c.may_be_same(a.sum, a.x);
  c.no_overlaps();
}

void check(const AddNormGradArgs& a, Check c) {
  check_activations(c, "sum", a.sum);
  const std::int64_t hidden = last(a.sum);
  const std::int64_t rows = a.sum.size() / hidden;
  c.in_like("sum", a.sum, a.sum);
  c.in_list("mean", a.mean, DType::f32, rows);
  c.in_list("rstd", a.rstd, DType::f32, rows);
  c.in("gamma", a.gamma, DType::f32, {hidden});
  c.in_like("dout", a.dout, a.sum);
  c.out_like("dresidual", a.dresidual, a.sum);
  if (a.dropout.probability > 0.0F) {
    c.out_like("dx", a.dx, a.sum);
  } else {
    c.absent("dx without dropout", a.dx);
  }
  c.out("dgamma", a.dgamma, DType::f32, {hidden});
  c.out("dbeta", a.dbeta, DType::f32, {hidden});
  check_dropout(c, a.dropout, a.state, a.sum.size() / a.sum.shape(0));
  c.no_overlaps();
}

// --- rows

void check(const GatherRowsArgs& a, Check c) {
  c.shaped("in", a.in, 2);
  c.shaped("rows", a.rows, 0);
  const std::int64_t count = a.rows.size();
  const DType type = c.activation_type(a.in);
  c.in("in", a.in, type, {a.in.shape(0), a.in.shape(1)});
  c.in_list("rows", a.rows, DType::i32, count);
  if (a.weights) c.in_list("weights", a.weights, DType::f32, count);
  c.out("out", a.out, type, {count, a.in.shape(1)});
  c.no_overlaps();
}

void check(const ScatterRowsArgs& a, Check c) {
  c.shaped("in", a.in, 2);
  c.shaped("out", a.out, 2);
  const DType type = c.activation_type(a.in);
  c.in("in", a.in, type, {a.in.shape(0), a.in.shape(1)});
  c.in_list("rows", a.rows, DType::i32, a.in.shape(0));
  if (a.weights) c.in_list("weights", a.weights, DType::f32, a.in.shape(0));
  c.out("out", a.out, type, {a.out.shape(0), a.in.shape(1)});
  c.no_overlaps();
}

namespace {

// --- activate

void check_pre_activation(Check& c, Activation activation, const ConstView& x) {
  c.promise(activation != Activation::none, "there is nothing to do without an activation");
  c.shaped("x", x, 0);
  c.in_list("x", x, c.activation_type(x), x.size());
}

}  // namespace

void check(const ActivateArgs& a, Check c) {
  check_pre_activation(c, a.activation, a.x);
  c.out_like("y", a.y, a.x);
  c.may_be_same(a.y, a.x);
  c.no_overlaps();
}

void check(const ActivateGradArgs& a, Check c) {
  check_pre_activation(c, a.activation, a.x);
  c.in_like("dy", a.dy, a.x);
  c.out_like("dx", a.dx, a.x);
  c.may_be_same(a.dx, a.dy);
  c.no_overlaps();
}

// --- losses

void check(const ClassLossArgs& a, Check c, const Ops& ops) {
  c.promise(a.state != nullptr, "needs a StepState");
  c.shaped("logits", a.logits, 2);
  const std::int64_t rows = a.logits.shape(0);
  const std::int64_t classes = a.classes > 0 ? a.classes : a.logits.shape(1);
  c.out("logits", a.logits, c.activation_type(a.logits), {rows, width(a.logits, classes, ops)});
  c.in_list("labels", a.labels, DType::i32, rows);
  c.in_list("weights", a.weights, DType::f32, rows);
  c.out_list("totals", a.totals, DType::f64, 3);
  if (a.row_loss) c.out_list("row_loss", a.row_loss, DType::f32, rows);
  if (a.predicted) c.out_list("predicted", a.predicted, DType::i32, rows);
  c.no_overlaps();
}

void check(const ValueLossArgs& a, Check c) {
  c.promise(a.state != nullptr, "needs a StepState");
  c.shaped("predictions", a.predictions, 2);
  c.out("predictions", a.predictions, DType::f32, {a.predictions.shape(0), a.predictions.shape(1)});
  c.in_like("targets", a.targets, a.predictions);
  c.in_like("weights", a.weights, a.predictions);
  c.out_list("totals", a.totals, DType::f64, 2);
  c.no_overlaps();
}

// --- elementwise

void check(const CombineArgs& a, Check c) {
  c.shaped("a", a.a, 0);
  const DType type = a.a.dtype() == DType::f64 ? DType::f64 : DType::f32;
  c.in_list("a", a.a, type, a.a.size());
  c.in_like("b", a.b, a.a);
  c.out_like("out", a.out, a.a);
  c.may_be_same(a.out, a.a);
  c.may_be_same(a.out, a.b);
  c.no_overlaps();
}

void check(const ConvertArgs& a, Check c) {
  c.shaped("in", a.in, 0);
  const DType from = a.in.dtype();
  const DType to = from == DType::f32 ? DType::bf16 : from == DType::i64 ? DType::f64 : DType::f32;
  c.in_list("in", a.in, to == DType::f32 ? DType::bf16 : from, a.in.size());
  c.out_list("out", a.out, to, a.in.size());
  c.no_overlaps();
}

void check(const SumSquaresArgs& a, Check c) {
  c.shaped("in", a.in, 0);
  c.in_list("in", a.in, DType::f32, a.in.size());
  c.out_list("out", a.out, DType::f64, 1);
  c.no_overlaps();
}

void check(const BeginStepArgs& a, Check c) {
  c.promise(!a.states.empty(), "needs at least one StepState");
  c.in_list("targets", a.targets, DType::f64, 3);
  c.in_list("updates", a.updates, DType::i64, 1);
  c.no_overlaps();
}

void check(const UpdateArgs& a, Check c) {
  c.promise(a.state != nullptr, "needs a StepState");
  c.shaped("parameters", a.parameters, 0);
  c.out_list("parameters", a.parameters, DType::f32, a.parameters.size());
  c.in_list("gradients", a.gradients, DType::f32, a.parameters.size());
  c.out_list("moment1", a.moment1, DType::f32, a.parameters.size());
  c.out_list("moment2", a.moment2, DType::f32, a.parameters.size());
  if (a.weights) c.out_list("weights", a.weights, DType::bf16, a.parameters.size());
  if (a.updates) c.out_list("updates", a.updates, DType::i64, 1);
  std::int64_t end = 0;  // slices ascend, so no element is updated twice
  for (const ParameterSlice& slice : a.slices) {
    c.promise(
        slice.offset >= end && slice.size >= 0 && slice.size <= a.parameters.size() - slice.offset,
        "slices must ascend, stay apart and lie inside of the parameters");
    end = slice.offset + slice.size;
  }
  c.no_overlaps();
}

}  // namespace epi::kernels
