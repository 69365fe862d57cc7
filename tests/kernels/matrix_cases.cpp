// Cases of the ops around matrix products: linear and attention.
#include <fmt/format.h>

#include "kernels/op_cases.hpp"
#include "kernels/operands.hpp"
#include "reference/reference.hpp"

namespace epi::kernels {
namespace {

struct LinearShape {
  std::int64_t rows, inputs, outputs;
};

constexpr std::array<LinearShape, 14> kLinearShapes{{{1, 1, 1},
                                                     {1, 1, 17},
                                                     {1, 33, 1},
                                                     {19, 1, 1},
                                                     {2, 3, 5},
                                                     {7, 13, 11},
                                                     {15, 16, 17},
                                                     {31, 32, 33},
                                                     {63, 65, 64},
                                                     {65, 129, 127},
                                                     {128, 64, 256},
                                                     {257, 31, 130},
                                                     {5, 768, 97},
                                                     {300, 40, 515}}};

constexpr std::array<Activation, 2> kEpilogues{Activation::none, Activation::gelu_tanh};
constexpr std::array<Write, 2> kWrites{Write::set, Write::add};

/// Sums of products of size 1 may cancel to almost nothing; their rounding does not.
constexpr reference::Tolerance kSumTolerance{.relative = 2e-6, .absolute = 1e-6};

std::string text(const LinearShape& s) {
  return fmt::format("{} rows, {} to {}", s.rows, s.inputs, s.outputs);
}

View written(Operands& o, Write write, const char* name, Operands::Shape shape) {
  return write == Write::set ? o.out(name, shape) : o.inout(name, shape);
}

struct AttendShape {
  std::int64_t batch, tokens;
  std::int32_t heads;
  std::int64_t size;
  bool lengths = false;
  Dropout dropout{};
};

constexpr Dropout kDropout{.probability = 0.25F, .layer = 7, .site = 2};

const std::vector<AttendShape>& attend_shapes() {
  static const std::vector<AttendShape> shapes{
      {1, 1, 1, 1},
      {1, 2, 1, 3},
      {2, 3, 2, 5},
      {2, 7, 3, 8, true},
      {1, 16, 2, 17},
      {3, 31, 1, 16, true},
      {1, 33, 2, 64},
      {2, 65, 2, 7, true, kDropout},
      {1, 127, 1, 32, false, kDropout},
      {2, 129, 1, 9, true, kDropout},
      {1, 5, 4, 3, false, kDropout},
      {1, 260, 1, 4, true},
  };
  return shapes;
}

/// 1, the whole, and between.
ConstView lengths(Operands& o, const AttendShape& s) {
  if (!s.lengths) return {};
  std::vector<std::int32_t> values;
  for (std::int64_t b = 0; b < s.batch; ++b) {
    values.push_back(static_cast<std::int32_t>(b == 0 ? (s.tokens + 1) / 2 : 1 + b % s.tokens));
  }
  return o.whole("lengths", values);
}

AttendArgs attend_args(Operands& o, const AttendShape& s) {
  o.state.seed = 99;
  o.state.first_slot = 12;
  const std::int64_t hidden = s.heads * s.size;
  return {.qkv = o.in("qkv", {s.batch, s.tokens, 3 * hidden}, -2.0F, 2.0F),
          .heads = s.heads,
          .lengths = lengths(o, s),
          .dropout = s.dropout,
          .state = &o.state,
          .out = o.out("out", {s.batch, s.tokens, hidden}),
          .lse = o.out("lse", {s.batch, s.heads, s.tokens})};
}

AttendGradArgs attend_grad_args(Operands& o, const AttendShape& s) {
  const std::int64_t hidden = s.heads * s.size;
  Operands forward(Operands::Side::reference);
  const AttendArgs before = attend_args(forward, s);
  reference::attend(before);
  o.state = forward.state;
  return {
      .qkv = o.values("qkv", {s.batch, s.tokens, 3 * hidden}, reference::as_doubles(before.qkv)),
      .heads = s.heads,
      .lengths = lengths(o, s),
      .dropout = s.dropout,
      .state = &o.state,
      .out = o.values("out", {s.batch, s.tokens, hidden}, reference::as_doubles(before.out)),
      .lse = o.values("lse", {s.batch, s.heads, s.tokens}, reference::as_doubles(before.lse)),
      .dout = o.in("dout", {s.batch, s.tokens, hidden}),
      .dqkv = o.out("dqkv", {s.batch, s.tokens, 3 * hidden})};
}

std::string text(const AttendShape& s) {
  return fmt::format("B {} T {} A {} D {}", s.batch, s.tokens, s.heads, s.size);
}

}  // namespace

void check_linear() {
  for (const LinearShape& s : kLinearShapes) {
    for (const Activation epilogue : kEpilogues) {
      for (const bool bias : {true, false}) {
        SCOPED_TRACE(text(s));
        check_op(
            &Ops::linear, reference::linear,
            [&](Operands& o) {
              return LinearArgs{
                  .x = o.in("x", {s.rows, s.inputs}),
                  .w = o.in("w", {s.outputs, s.inputs}),
                  .b = bias ? o.in("b", {s.outputs}) : ConstView(),
                  .epilogue = epilogue,
                  .y = o.out("y", {s.rows, s.outputs}),
                  .pre = epilogue == Activation::none ? View() : o.out("pre", {s.rows, s.outputs})};
            },
            kSumTolerance);
      }
    }
  }
}

void check_linear_grad_input() {
  for (const LinearShape& s : kLinearShapes) {
    for (const Activation epilogue : kEpilogues) {
      for (const Write write : kWrites) {
        SCOPED_TRACE(text(s));
        check_op(
            &Ops::linear_grad_input, reference::linear_grad_input,
            [&](Operands& o) {
              const bool bare = epilogue == Activation::none;
              return LinearGradInputArgs{
                  .dy = o.in("dy", {s.rows, s.outputs}),
                  .w = o.in("w", {s.outputs, s.inputs}),
                  .epilogue = epilogue,
                  .pre = bare ? ConstView() : o.in("pre", {s.rows, s.inputs}, -3.0F, 3.0F),
                  .write = write,
                  .dx = written(o, write, "dx", {s.rows, s.inputs}),
                  .db_before = bare ? View() : o.out("db_before", {s.inputs})};
            },
            kSumTolerance);
      }
    }
  }
}

void check_linear_grad_weight() {
  for (const LinearShape& s : kLinearShapes) {
    for (const Write write : kWrites) {
      for (const bool bias : {true, false}) {
        SCOPED_TRACE(text(s));
        check_op(
            &Ops::linear_grad_weight, reference::linear_grad_weight,
            [&](Operands& o) {
              return LinearGradWeightArgs{
                  .dy = o.in("dy", {s.rows, s.outputs}),
                  .x = o.in("x", {s.rows, s.inputs}),
                  .write = write,
                  .dw = written(o, write, "dw", {s.outputs, s.inputs}),
                  .db = bias ? written(o, write, "db", {s.outputs}) : View()};
            },
            kSumTolerance);
      }
    }
  }
}

void check_attend() {
  for (const AttendShape& s : attend_shapes()) {
    SCOPED_TRACE(text(s));
    check_op(&Ops::attend, reference::attend, [&](Operands& o) { return attend_args(o, s); });
  }
}

void check_attend_grad() {
  for (const AttendShape& s : attend_shapes()) {
    SCOPED_TRACE(text(s));
    check_op(&Ops::attend_grad, reference::attend_grad,
             [&](Operands& o) { return attend_grad_args(o, s); }, {.relative = 2e-5});
  }
}

}  // namespace epi::kernels
