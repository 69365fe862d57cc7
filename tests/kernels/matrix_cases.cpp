// Cases of the ops around matrix products: linear and attention.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/op_cases.hpp"
#include "kernels/operands.hpp"
#include "reference/reference.hpp"

namespace epi::kernels {
namespace {

/// y = x w^T: [rows, inputs] by [outputs, inputs].
struct LinearShape {
  std::int64_t rows, inputs, outputs;
};

constexpr std::array<LinearShape, 15> kLinearShapes{{{1, 1, 1},
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
                                                     {300, 40, 515},
                                                     {1029, 67, 35}}};

/// Products are [m, k] by [k, n], and pack the latter: column blocks of 64, and pairs of bf16 along
/// k. So every n of one block, and odd k around the sizes that packing pads to.
struct ProductShape {
  std::int64_t m, k, n;
};

std::vector<ProductShape> product_shapes() {
  std::vector<ProductShape> shapes;
  for (std::int64_t n = 1; n <= 65; ++n) shapes.push_back({3, 33, n});
  for (const std::int64_t k : {1, 3, 31, 33}) {
    for (const std::int64_t n : {1, 15, 17, 63, 65, 129}) {
      for (const std::int64_t m : {1, 33}) shapes.push_back({m, k, n});
    }
  }
  return shapes;
}

/// The shapes above and those of one op's product, in the op's letters.
std::vector<LinearShape> shapes_of(LinearShape (*letters)(const ProductShape&)) {
  std::vector<LinearShape> shapes(kLinearShapes.begin(), kLinearShapes.end());
  for (const ProductShape& product : product_shapes()) shapes.push_back(letters(product));
  return shapes;
}

constexpr std::array<Activation, 2> kEpilogues{Activation::none, Activation::gelu_tanh};
constexpr std::array<Activation, 3> kInputActivations{Activation::none, Activation::gelu,
                                                      Activation::gelu_tanh};
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
  float span = 2.0F;  ///< of queries, keys and values; 6 lets single keys take all of the weight
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
      {1, 1, 2, 64},
      {2, 15, 2, 8, true, kDropout},
      {1, 17, 1, 40, true},
      {2, 48, 1, 128, true, kDropout},
      {1, 97, 2, 128},
      {2, 67, 3, 40, true, kDropout},
      {1, 1025, 1, 16, false, kDropout},
      {1, 1025, 1, 8, true},
      {1, 601, 1, 16, false, {}, 6.0F},
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
  // Half a place for the output, and as much for the probabilities, which are rounded before they
  // weigh the values.
  if (o.activations() == core::DType::bf16) o.allow("out", {.relative = 2 * kHalfPlace});
  const std::int64_t hidden = s.heads * s.size;
  return {.qkv = o.activation("qkv", {s.batch, s.tokens, 3 * hidden}, -s.span, s.span),
          .heads = s.heads,
          .lengths = lengths(o, s),
          .dropout = s.dropout,
          .state = &o.state,
          .out = o.activation_out("out", {s.batch, s.tokens, hidden}),
          .lse = o.out("lse", {s.batch, s.heads, s.tokens})};
}

AttendGradArgs attend_grad_args(Operands& o, const AttendShape& s) {
  const std::int64_t hidden = s.heads * s.size;
  Operands forward(Operands::Side::reference, o.activations());
  const AttendArgs before = attend_args(forward, s);
  reference::attend(before);
  o.state = forward.state;
  const AttendGradArgs args{
      .qkv =
          o.activation("qkv", {s.batch, s.tokens, 3 * hidden}, reference::as_doubles(before.qkv)),
      .heads = s.heads,
      .lengths = lengths(o, s),
      .dropout = s.dropout,
      .state = &o.state,
      .out = o.activation("out", {s.batch, s.tokens, hidden}, reference::as_doubles(before.out)),
      .lse = o.values("lse", {s.batch, s.heads, s.tokens}, reference::as_doubles(before.lse)),
      .dout = o.activation("dout", {s.batch, s.tokens, hidden}),
      .dqkv = o.activation_out("dqkv", {s.batch, s.tokens, 3 * hidden})};
  o.in_parts("dqkv", 3);
  // Half a place each for what is written, for the probabilities or the slopes of scores that are
  // summed, and for the output that the slopes are computed with: its error, of numbers up to 2
  // times gradients up to 1, stays when slopes cancel and is multiplied by queries and keys.
  if (o.activations() == core::DType::bf16) {
    const double larger = static_cast<double>(s.span) / 2.0;
    o.allow("dqkv", {.relative = 3 * kHalfPlace, .absolute = 1.5 * kHalfPlace * larger * larger});
  }
  return args;
}

std::string text(const AttendShape& s) {
  return fmt::format("B {} T {} A {} D {}", s.batch, s.tokens, s.heads, s.size);
}

/// The activation follows the rounding of what it is computed from. x gelu'(x) is at most
/// 1.13 gelu(x) for positive x and 0.2 for negative ones, so half a place of x is worth that much.
void allow_rounded_gelu(Operands& o, const char* name) {
  if (o.activations() == core::DType::f32) return;
  o.allow(name, {.relative = 2.2 * kHalfPlace, .absolute = 0.2 * kHalfPlace});
}

LinearArgs linear_args(Operands& o, const LinearShape& s, Activation epilogue, bool bias) {
  const bool bare = epilogue == Activation::none;
  if (!bare) allow_rounded_gelu(o, "y");
  return {.x = o.activation("x", {s.rows, s.inputs}),
          .w = o.weight("w", {s.outputs, s.inputs}),
          .b = bias ? o.bias("b", {s.outputs}) : ConstView(),
          .epilogue = epilogue,
          .y = o.activation_out("y", {s.rows, s.outputs}),
          .pre = bare ? View() : o.activation_out("pre", {s.rows, s.outputs})};
}

LinearGradInputArgs linear_grad_input_args(Operands& o, const LinearShape& s, Activation epilogue,
                                           Write write) {
  const bool bare = epilogue == Activation::none;
  return {.dy = o.activation("dy", {s.rows, s.outputs}),
          .w = o.weight("w", {s.outputs, s.inputs}),
          .epilogue = epilogue,
          .pre = bare ? ConstView() : o.activation("pre", {s.rows, s.inputs}, -3.0F, 3.0F),
          .write = write,
          .dx = write == Write::set ? o.activation_out("dx", {s.rows, s.inputs})
                                    : o.activation_inout("dx", {s.rows, s.inputs})};
}

LinearGradWeightArgs linear_grad_weight_args(Operands& o, const LinearShape& s,
                                             Activation activation, Write write, bool bias) {
  // With an activation each product's second factor is rounded as it is packed.
  if (o.activations() == core::DType::bf16 && activation != Activation::none) {
    const double sum_of_sizes = std::sqrt(static_cast<double>(s.rows));
    o.allow("dw", {.relative = kHalfPlace, .absolute = kHalfPlace * sum_of_sizes});
  }
  return {.dy = o.activation("dy", {s.rows, s.outputs}),
          .x = o.activation("x", {s.rows, s.inputs}, -2.0F, 2.0F),
          .activation = activation,
          .write = write,
          .dw = written(o, write, "dw", {s.outputs, s.inputs}),
          .db = bias ? written(o, write, "db", {s.outputs}) : View()};
}

}  // namespace

void check_linear(core::DType activations) {
  const auto letters = [](const ProductShape& p) { return LinearShape{p.m, p.k, p.n}; };
  for (const LinearShape& s : shapes_of(letters)) {
    for (const Activation epilogue : kEpilogues) {
      for (const bool bias : {true, false}) {
        SCOPED_TRACE(text(s));
        const auto args = [&](Operands& o) { return linear_args(o, s, epilogue, bias); };
        check_op(activations, &Ops::linear, reference::linear, args, kSumTolerance);
      }
    }
  }
}

void check_linear_grad_input(core::DType activations) {
  const auto letters = [](const ProductShape& p) { return LinearShape{p.m, p.n, p.k}; };
  for (const LinearShape& s : shapes_of(letters)) {
    for (const Activation epilogue : kEpilogues) {
      for (const Write write : kWrites) {
        SCOPED_TRACE(text(s));
        const auto args = [&](Operands& o) {
          return linear_grad_input_args(o, s, epilogue, write);
        };
        check_op(activations, &Ops::linear_grad_input, reference::linear_grad_input, args,
                 kSumTolerance);
      }
    }
  }
}

void check_linear_grad_weight(core::DType activations) {
  const auto letters = [](const ProductShape& p) { return LinearShape{p.k, p.n, p.m}; };
  for (const LinearShape& s : shapes_of(letters)) {
    for (const Activation activation : kInputActivations) {
      for (const Write write : kWrites) {
        SCOPED_TRACE(text(s));
        const bool bias = activation != Activation::gelu || write == Write::add;
        const auto args = [&](Operands& o) {
          return linear_grad_weight_args(o, s, activation, write, bias);
        };
        check_op(activations, &Ops::linear_grad_weight, reference::linear_grad_weight, args,
                 kSumTolerance);
      }
    }
  }
}

namespace {

/// A probability is as far off as its score, which a float rounds relative to its own size. Where
/// one key takes all weight, gradients of scores are 0 but for the rounding of two sums of D
/// products.
reference::Tolerance attend_tolerance(const AttendShape& s) {
  return {.relative = 1e-5 * static_cast<double>(s.span * s.span) / 2.0,
          .absolute = std::max(1e-6, static_cast<double>(s.size) * 0x1p-24)};
}

}  // namespace

void check_attend(core::DType activations) {
  for (const AttendShape& s : attend_shapes()) {
    SCOPED_TRACE(text(s));
    check_op(activations, &Ops::attend, reference::attend,
             [&](Operands& o) { return attend_args(o, s); },
             {.relative = attend_tolerance(s).relative / 2});
  }
}

void check_attend_grad(core::DType activations) {
  for (const AttendShape& s : attend_shapes()) {
    SCOPED_TRACE(text(s));
    check_op(
        activations, &Ops::attend_grad, reference::attend_grad,
        [&](Operands& o) { return attend_grad_args(o, s); }, attend_tolerance(s));
  }
}

}  // namespace epi::kernels
