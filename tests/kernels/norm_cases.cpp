// Cases of the ops that walk rows: embeddings, LayerNorm, gather and scatter.
#include <fmt/format.h>

#include "kernels/op_cases.hpp"
#include "kernels/operands.hpp"
#include "reference/reference.hpp"

namespace epi::kernels {
namespace {

constexpr Dropout kDropout{.probability = 0.5F, .layer = 5, .site = 3};

/// Every hidden size up to beyond two cache lines of vectors, and BERT's.
std::vector<std::int64_t> hidden_sizes() {
  std::vector<std::int64_t> sizes;
  for (std::int64_t hidden = 1; hidden <= 130; ++hidden) sizes.push_back(hidden);
  sizes.push_back(768);
  return sizes;
}

const StepState* with_slots(Operands& o) {
  o.state.seed = 0x123456789abcdefULL;
  o.state.first_slot = 0xffffffffULL;  // the second sample carries into the high word
  return &o.state;
}

struct EmbedShape {
  std::int64_t batch, tokens, hidden;
  int tables = 3;
  std::int32_t rows = 11;  ///< of the first table; 1: all entries meet in one row
  Dropout dropout{};
};

std::array<EmbedTable, kMaxEmbedTables> make_tables(Operands& o, const EmbedShape& s) {
  std::array<EmbedTable, kMaxEmbedTables> tables;
  const std::int64_t count = s.batch * s.tokens;
  tables[0] = {o.in("rows 0", {s.rows, s.hidden}), o.index("index 0", {count}, s.rows)};
  if (s.tables > 1) tables[1] = {o.in("rows 1", {s.tokens + 2, s.hidden}), {}};
  if (s.tables > 2) {
    tables[2] = {o.in("rows 2", {3, s.hidden}), o.index("index 2", {s.batch, s.tokens}, 3)};
  }
  if (s.tables > 3) tables[3] = {o.in("rows 3", {2, s.hidden}), o.index("index 3", {count}, 2)};
  return tables;
}

EmbedArgs embed_args(Operands& o, const EmbedShape& s) {
  return {.tables = make_tables(o, s),
          .gamma = o.in("gamma", {s.hidden}),
          .beta = o.in("beta", {s.hidden}),
          .epsilon = 1e-5F,
          .dropout = s.dropout,
          .state = with_slots(o),
          .out = o.activation_out("out", {s.batch, s.tokens, s.hidden}),
          .mean = o.out("mean", {s.batch * s.tokens}),
          .rstd = o.out("rstd", {s.batch * s.tokens})};
}

EmbedGradArgs embed_grad_args(Operands& o, const EmbedShape& s) {
  EmbedGradArgs args{.tables = make_tables(o, s),
                     .gamma = o.in("gamma", {s.hidden}),
                     .dropout = s.dropout,
                     .state = with_slots(o),
                     .mean = o.in("mean", {s.batch * s.tokens}),
                     .rstd = o.in("rstd", {s.batch * s.tokens}, 0.5F, 2.0F),
                     .dout = o.activation("dout", {s.batch, s.tokens, s.hidden}),
                     .drows = {},
                     .write = {Write::set, Write::add, Write::set, Write::add},
                     .dgamma = o.out("dgamma", {s.hidden}),
                     .dbeta = o.out("dbeta", {s.hidden})};
  for (std::size_t i = 0; i < args.tables.size() && args.tables.at(i).rows; ++i) {
    const std::string name = fmt::format("drows {}", i);
    const std::int64_t rows = args.tables.at(i).rows.shape(0);
    args.drows.at(i) = args.write.at(i) == Write::set ? o.out(name.c_str(), {rows, s.hidden})
                                                      : o.inout(name.c_str(), {rows, s.hidden});
  }
  return args;
}

std::vector<EmbedShape> embed_shapes() {
  std::vector<EmbedShape> shapes;
  for (const std::int64_t hidden : hidden_sizes()) shapes.push_back({2, 3, hidden});
  for (const int tables : {1, 2, 3, 4}) shapes.push_back({3, 7, 12, tables});
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    shapes.push_back({1, 1, 5, 1, 1, dropout});
    shapes.push_back({5, 37, 19, 3, 1, dropout});      // every entry in one row
    shapes.push_back({3, 131, 33, 4, 4101, dropout});  // most rows without an entry
    shapes.push_back({2, 129, 64, 3, 27, dropout});
  }
  return shapes;
}

struct NormShape {
  std::int64_t batch, tokens, hidden;
  Dropout dropout{};
  bool residual = true;
  bool in_place = false;
  bool flat = false;  ///< [M, H] instead of [B, T, H]
};

View out_or_inout(Operands& o, const NormShape& s, const char* name, bool read) {
  if (s.flat) {
    const std::int64_t rows = s.batch * s.tokens;
    return read ? o.activation_inout(name, {rows, s.hidden})
                : o.activation_out(name, {rows, s.hidden});
  }
  return read ? o.activation_inout(name, {s.batch, s.tokens, s.hidden})
              : o.activation_out(name, {s.batch, s.tokens, s.hidden});
}

ConstView in(Operands& o, const NormShape& s, const char* name) {
  return s.flat ? o.activation(name, {s.batch * s.tokens, s.hidden})
                : o.activation(name, {s.batch, s.tokens, s.hidden});
}

AddNormArgs add_norm_args(Operands& o, const NormShape& s) {
  const View sum = out_or_inout(o, s, "sum", s.in_place);
  return {.x = s.in_place ? ConstView(sum) : in(o, s, "x"),
          .residual = s.residual ? in(o, s, "residual") : ConstView(),
          .gamma = o.in("gamma", {s.hidden}),
          .beta = o.in("beta", {s.hidden}),
          .epsilon = 1e-5F,
          .dropout = s.dropout,
          .state = with_slots(o),
          .out = out_or_inout(o, s, "out", false),
          .sum = sum,
          .mean = o.out("mean", {s.batch * s.tokens}),
          .rstd = o.out("rstd", {s.batch * s.tokens})};
}

AddNormGradArgs add_norm_grad_args(Operands& o, const NormShape& s) {
  return {.sum = in(o, s, "sum"),
          .mean = o.in("mean", {s.batch * s.tokens}),
          .rstd = o.in("rstd", {s.batch * s.tokens}, 0.5F, 2.0F),
          .gamma = o.in("gamma", {s.hidden}),
          .dropout = s.dropout,
          .state = with_slots(o),
          .dout = in(o, s, "dout"),
          .dresidual = out_or_inout(o, s, "dresidual", false),
          .dx = s.dropout.probability > 0.0F ? out_or_inout(o, s, "dx", false) : View(),
          .dgamma = o.out("dgamma", {s.hidden}),
          .dbeta = o.out("dbeta", {s.hidden})};
}

std::vector<NormShape> norm_shapes() {
  std::vector<NormShape> shapes;
  for (const std::int64_t hidden : hidden_sizes()) shapes.push_back({2, 3, hidden});
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    shapes.push_back({1, 1, 3, dropout});
    shapes.push_back({3, 43, 33, dropout});  // tasks cross samples
    shapes.push_back({1, 1031, 17, dropout});
    shapes.push_back({2, 31, 12, dropout, false});
    shapes.push_back({2, 33, 65, dropout, true, true});
    shapes.push_back({2, 33, 65, dropout, false, true});
    shapes.push_back({5, 13, 7, dropout, true, false, true});
  }
  return shapes;
}

struct RowsShape {
  std::int64_t rows, picked, hidden;
  bool weights = true;
};

constexpr std::array<RowsShape, 7> kRowsShapes{{{1, 1, 1},
                                                {1, 9, 17},
                                                {7, 3, 33, false},
                                                {129, 65, 31},
                                                {511, 77, 64, false},
                                                {64, 257, 130},
                                                {3, 2, 768}}};

/// Some weights are exactly 0, as in unused target slots.
ConstView weights(Operands& o, const RowsShape& s) {
  if (!s.weights) return {};
  std::vector<double> values;
  for (std::int64_t m = 0; m < s.picked; ++m) values.push_back(m % 3 == 2 ? 0.0 : 0.25 * double(m));
  return o.values("weights", {s.picked}, values);
}

}  // namespace

namespace {

/// The sum is what is stored of it: statistics and the gradient's later reading are of the same
/// numbers. kDropout's scale of 2 keeps sums of two bf16 exact in f32, so that both sides round the
/// same number.
void add_norm_of_bf16(const AddNormArgs& args) {
  reference::add_norm(args);
  auto* sum = args.sum.as<double>();
  for (std::int64_t i = 0; i < args.sum.size(); ++i) sum[i] = reference::round_to_bf16(sum[i]);
  AddNormArgs stored = args;
  stored.x = args.sum;
  stored.residual = {};
  stored.dropout = {};
  reference::add_norm(stored);
}

}  // namespace

// With few elements a row's deviation can be small beside its values, which costs digits.
constexpr reference::Tolerance kNormTolerance{.relative = 2e-5};

void check_embed(core::DType activations) {
  for (const EmbedShape& s : embed_shapes()) {
    SCOPED_TRACE(fmt::format("[{}, {}, {}] {} tables", s.batch, s.tokens, s.hidden, s.tables));
    check_op(
        activations, &Ops::embed, reference::embed, [&](Operands& o) { return embed_args(o, s); },
        kNormTolerance);
  }
}

void check_embed_grad(core::DType activations) {
  for (const EmbedShape& s : embed_shapes()) {
    SCOPED_TRACE(fmt::format("[{}, {}, {}] {} tables", s.batch, s.tokens, s.hidden, s.tables));
    check_op(activations, &Ops::embed_grad, reference::embed_grad,
             [&](Operands& o) { return embed_grad_args(o, s); });
  }
}

void check_add_norm(core::DType activations) {
  for (const NormShape& s : norm_shapes()) {
    SCOPED_TRACE(fmt::format("[{}, {}, {}]", s.batch, s.tokens, s.hidden));
    check_op(
        activations, &Ops::add_norm,
        activations == core::DType::bf16 ? add_norm_of_bf16 : reference::add_norm,
        [&](Operands& o) { return add_norm_args(o, s); }, kNormTolerance);
  }
}

void check_add_norm_grad(core::DType activations) {
  for (const NormShape& s : norm_shapes()) {
    SCOPED_TRACE(fmt::format("[{}, {}, {}]", s.batch, s.tokens, s.hidden));
    check_op(activations, &Ops::add_norm_grad, reference::add_norm_grad,
             [&](Operands& o) { return add_norm_grad_args(o, s); });
  }
}

void check_gather_rows(core::DType activations) {
  for (const RowsShape& s : kRowsShapes) {
    SCOPED_TRACE(fmt::format("{} of {} rows of {}", s.picked, s.rows, s.hidden));
    check_op(activations, &Ops::gather_rows, reference::gather_rows, [&](Operands& o) {
      return GatherRowsArgs{.in = o.activation("in", {s.rows, s.hidden}),
                            .rows = o.index("rows", {s.picked}, static_cast<std::int32_t>(s.rows)),
                            .weights = weights(o, s),
                            .out = o.activation_out("out", {s.picked, s.hidden})};
    });
  }
}

void check_scatter_rows(core::DType activations) {
  for (const RowsShape& s : kRowsShapes) {
    for (const Write write : {Write::set, Write::add}) {
      SCOPED_TRACE(fmt::format("{} to {} rows of {}", s.picked, s.rows, s.hidden));
      check_op(activations, &Ops::scatter_rows, reference::scatter_rows, [&](Operands& o) {
        return ScatterRowsArgs{
            .in = o.activation("in", {s.picked, s.hidden}),
            .rows = o.index("rows", {s.picked}, static_cast<std::int32_t>(s.rows)),
            .weights = weights(o, s),
            .write = write,
            .out = write == Write::set ? o.activation_out("out", {s.rows, s.hidden})
                                       : o.activation_inout("out", {s.rows, s.hidden})};
      });
    }
  }
}

}  // namespace epi::kernels
