// The reference's gradients against central differences of the reference's own forward passes: two
// independent ways to the same numbers, in double.
#include "reference/reference.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "core/philox.hpp"
#include "kernels/operands.hpp"

namespace epi::kernels {
namespace {

constexpr double kStep = 1e-5;  // rounding 1e-11 and curvature 1e-10 are then about equal
constexpr reference::Tolerance kBound{.relative = 2e-8, .absolute = 1e-10};
constexpr Dropout kDropout{.probability = 0.4F, .layer = 1, .site = 9};

/// Operands are read only for the ops, not for us.
double* elements(const ConstView& view) {
  return const_cast<double*>(view.as<double>());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

double dot(const ConstView& a, const ConstView& b) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < a.size(); ++i) sum += a.as<double>()[i] * b.as<double>()[i];
  return sum;
}

/// `gradient` must be the slope of objective() in every element of `parameter`.
template <class Objective>
void expect_slope(const char* name, const ConstView& parameter, const ConstView& gradient,
                  const Objective& objective, reference::Tolerance bound = kBound) {
  std::vector<double> slopes;
  double* values = elements(parameter);
  for (std::int64_t i = 0; i < parameter.size(); ++i) {
    const double before = values[i];
    values[i] = before + kStep;
    const double above = objective();
    values[i] = before - kStep;
    const double below = objective();
    values[i] = before;
    slopes.push_back((above - below) / (2 * kStep));
  }
  reference::expect_close(gradient, slopes, bound, name);
}

struct Truth : Operands {
  Truth() : Operands(Side::reference) {
    state.seed = 7;
    state.first_slot = 3;
  }
};

TEST(ReferenceEmbed, gradient_is_the_slope) {
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    Truth o;
    EmbedArgs args{.tables = {},
                   .gamma = o.in("gamma", {5}),
                   .beta = o.in("beta", {5}),
                   .epsilon = 0.1F,
                   .dropout = dropout,
                   .state = &o.state,
                   .out = o.out("out", {2, 3, 5}),
                   .mean = o.out("mean", {6}),
                   .rstd = o.out("rstd", {6})};
    args.tables[0] = {o.in("words", {4, 5}), o.index("index", {6}, 4)};
    args.tables[1] = {o.in("positions", {3, 5}), {}};
    const ConstView weights = o.in("dout", {2, 3, 5});
    const auto objective = [&] {
      reference::embed(args);
      return dot(args.out, weights);
    };
    objective();
    EmbedGradArgs grad{.tables = args.tables,
                       .gamma = args.gamma,
                       .dropout = dropout,
                       .state = &o.state,
                       .mean = args.mean,
                       .rstd = args.rstd,
                       .dout = weights,
                       .drows = {},
                       .write = {},
                       .dgamma = o.out("dgamma", {5}),
                       .dbeta = o.out("dbeta", {5})};
    grad.drows[0] = o.out("dwords", {4, 5});
    grad.drows[1] = o.out("dpositions", {3, 5});
    reference::embed_grad(grad);
    expect_slope("words", args.tables[0].rows, grad.drows[0], objective);
    expect_slope("positions", args.tables[1].rows, grad.drows[1], objective);
    expect_slope("gamma", args.gamma, grad.dgamma, objective);
    expect_slope("beta", args.beta, grad.dbeta, objective);
  }
}

TEST(ReferenceAddNorm, gradient_is_the_slope) {
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    Truth o;
    const AddNormArgs args{.x = o.in("x", {2, 3, 5}),
                           .residual = o.in("residual", {2, 3, 5}),
                           .gamma = o.in("gamma", {5}),
                           .beta = o.in("beta", {5}),
                           .epsilon = 0.1F,
                           .dropout = dropout,
                           .state = &o.state,
                           .out = o.out("out", {2, 3, 5}),
                           .sum = o.out("sum", {2, 3, 5}),
                           .mean = o.out("mean", {6}),
                           .rstd = o.out("rstd", {6})};
    const ConstView weights = o.in("dout", {2, 3, 5});
    const auto objective = [&] {
      reference::add_norm(args);
      return dot(args.out, weights);
    };
    objective();
    const AddNormGradArgs grad{.sum = args.sum,
                               .mean = args.mean,
                               .rstd = args.rstd,
                               .gamma = args.gamma,
                               .dropout = dropout,
                               .state = &o.state,
                               .dout = weights,
                               .dresidual = o.out("dresidual", {2, 3, 5}),
                               .dx = o.out("dx", {2, 3, 5}),
                               .dgamma = o.out("dgamma", {5}),
                               .dbeta = o.out("dbeta", {5})};
    reference::add_norm_grad(grad);
    expect_slope("x", args.x, grad.dx, objective);
    expect_slope("residual", args.residual, grad.dresidual, objective);
    expect_slope("gamma", args.gamma, grad.dgamma, objective);
    expect_slope("beta", args.beta, grad.dbeta, objective);
  }
}

TEST(ReferenceLinear, gradient_is_the_slope) {
  for (const Activation epilogue : {Activation::none, Activation::gelu_tanh}) {
    Truth o;
    const LinearArgs before{.x = o.in("x0", {4, 3}),
                            .w = o.in("w0", {5, 3}),
                            .b = o.in("b0", {5}),
                            .epilogue = epilogue,
                            .y = o.out("y0", {4, 5}),
                            .pre = o.out("pre", {4, 5})};
    const LinearArgs args{.x = before.y,
                          .w = o.in("w", {2, 5}),
                          .b = o.in("b", {2}),
                          .y = o.out("y", {4, 2}),
                          .pre = {}};
    const ConstView weights = o.in("dy", {4, 2});
    const auto objective = [&] {
      reference::linear(before);
      reference::linear(args);
      return dot(args.y, weights);
    };
    objective();
    const View dw = o.out("dw", {2, 5});
    const View db = o.out("db", {2});
    const View dpre = o.out("dpre", {4, 5});
    reference::linear_grad_weight({.dy = weights, .x = args.x, .dw = dw, .db = db});
    reference::linear_grad_input(
        {.dy = weights, .w = args.w, .epilogue = epilogue, .pre = before.pre, .dx = dpre});
    const View dw0 = o.out("dw0", {5, 3});
    reference::linear_grad_weight({.dy = dpre, .x = before.x, .dw = dw0, .db = {}});
    expect_slope("w", args.w, dw, objective);
    expect_slope("b", args.b, db, objective);
    expect_slope("w of the layer before", before.w, dw0, objective);
  }
}

TEST(ReferenceAttend, gradient_is_the_slope) {
  for (const Dropout& dropout : {Dropout{}, kDropout}) {
    Truth o;
    const AttendArgs args{.qkv = o.in("qkv", {2, 4, 3 * 6}),
                          .heads = 2,
                          .lengths = o.whole("lengths", {4, 3}),
                          .dropout = dropout,
                          .state = &o.state,
                          .out = o.out("out", {2, 4, 6}),
                          .lse = o.out("lse", {2, 2, 4})};
    const ConstView weights = o.in("dout", {2, 4, 6});
    const auto objective = [&] {
      reference::attend(args);
      return dot(args.out, weights);
    };
    objective();
    const AttendGradArgs grad{.qkv = args.qkv,
                              .heads = 2,
                              .lengths = args.lengths,
                              .dropout = dropout,
                              .state = &o.state,
                              .out = args.out,
                              .lse = args.lse,
                              .dout = weights,
                              .dqkv = o.out("dqkv", {2, 4, 3 * 6})};
    reference::attend_grad(grad);
    expect_slope("qkv", args.qkv, grad.dqkv, objective);
  }
}

TEST(ReferenceRows, scatter_is_the_gradient_of_gather) {
  Truth o;
  const GatherRowsArgs args{.in = o.in("in", {4, 3}),
                            .rows = o.whole("rows", {2, 0, 2}),
                            .weights = o.values("weights", {3}, {0.5, -2.0, 3.0}),
                            .out = o.out("out", {3, 3})};
  const ConstView weights = o.in("dout", {3, 3});
  const View din = o.out("din", {4, 3});
  reference::scatter_rows(
      {.in = weights, .rows = args.rows, .weights = args.weights, .write = Write::set, .out = din});
  expect_slope("in", args.in, din, [&] {
    reference::gather_rows(args);
    return dot(args.out, weights);
  });
}

TEST(ReferenceActivate, slope_is_the_slope) {
  for (const Activation kind :
       {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::tanh}) {
    Truth o;
    const ActivateArgs args{kind, o.in("x", {31}, -4.0F, 4.0F), o.out("y", {31})};
    const ConstView dy = o.in("dy", {31});
    const View dx = o.out("dx", {31});
    reference::activate_grad({kind, args.x, dy, dx});
    expect_slope("x", args.x, dx, [&] {
      reference::activate(args);
      return dot(args.y, dy);
    });
  }
}

TEST(ReferenceActivate, known_points_have_known_values) {
  EXPECT_NEAR(reference::activation(Activation::gelu, 1.0), 0.8413447460685429, 1e-15);
  EXPECT_NEAR(reference::activation(Activation::gelu, -1.0), -0.15865525393145707, 1e-15);
  EXPECT_NEAR(reference::activation(Activation::gelu_tanh, 1.0), 0.8411919906082768, 1e-15);
  EXPECT_EQ(reference::activation(Activation::gelu, 0.0), 0.0);
}

TEST(ReferenceClassLoss, logits_become_the_slope) {
  Truth o;
  o.state.loss_scale = {0.25F, 0, 0};
  const ConstView start = o.in("start", {3, 5}, -2.0F, 2.0F);
  const View logits = o.out("logits", {3, 5});
  const View totals = o.totals("totals", 3);
  const ClassLossArgs args{.logits = logits,
                           .labels = o.whole("labels", {4, 0, 2}),
                           .weights = o.values("weights", {3}, {1.0, 0.0, 0.5}),
                           .term = LossTerm::dna,
                           .state = &o.state,
                           .totals = totals,
                           .row_loss = {},
                           .predicted = {}};
  const auto objective = [&] {
    std::copy_n(start.as<double>(), 15, logits.as<double>());
    std::fill_n(totals.as<double>(), 3, 0.0);
    reference::class_loss(args);
    return 0.25 * totals.as<double>()[0];
  };
  objective();
  const std::vector<double> gradient = reference::as_doubles(logits);
  expect_slope("logits", start, ConstView(gradient.data(), {3, 5}), objective);
  EXPECT_EQ(totals.as<double>()[1], 1.5);
}

TEST(ReferenceValueLoss, predictions_become_the_slope) {
  for (const ValueLoss loss : {ValueLoss::squared_error, ValueLoss::binary_cross_entropy}) {
    Truth o;
    o.state.loss_scale = {0, 0, 0.5F};
    const ConstView start = o.in("start", {2, 4}, -3.0F, 3.0F);
    const View predictions = o.out("predictions", {2, 4});
    const View totals = o.totals("totals", 2);
    const ValueLossArgs args{.loss = loss,
                             .predictions = predictions,
                             .targets = o.in("targets", {2, 4}, 0.0F, 1.0F),
                             .weights = o.values("weights", {2, 4}, {1, 0, 1, 0.5, 2, 0, 1, 1}),
                             .term = LossTerm::task,
                             .state = &o.state,
                             .totals = totals};
    const auto objective = [&] {
      std::copy_n(start.as<double>(), 8, predictions.as<double>());
      std::fill_n(totals.as<double>(), 2, 0.0);
      reference::value_loss(args);
      return 0.5 * totals.as<double>()[0];
    };
    objective();
    const std::vector<double> gradient = reference::as_doubles(predictions);
    expect_slope("predictions", start, ConstView(gradient.data(), {2, 4}), objective);
  }
}

TEST(ReferenceUpdate, first_step_moves_by_the_learning_rate) {
  // By hand: m / c1 = g and v / c2 = g^2 in the first step, so p -= lr (sign(g) + decay p).
  Truth o;
  o.state.learning_rate = 0.5F;
  o.state.bias_correction1 = 1.0F - 0.75F;
  o.state.bias_correction2 = 1.0F - 0.5F;
  o.state.gradient_sum_squares = 1.0;
  std::vector<double> p{1.0, -2.0}, g{0.25, -4.0}, m{0, 0}, v{0, 0};
  const std::vector<ParameterSlice> slices{{.offset = 0, .size = 1, .decay = true},
                                           {.offset = 1, .size = 1, .decay = false}};
  reference::update({.slices = slices,
                     .parameters = View(p.data(), {2}),
                     .gradients = ConstView(g.data(), {2}),
                     .moment1 = View(m.data(), {2}),
                     .moment2 = View(v.data(), {2}),
                     .beta1 = 0.75F,
                     .beta2 = 0.5F,
                     .epsilon = 0.0F,
                     .weight_decay = 0.125F,
                     .state = &o.state});
  EXPECT_DOUBLE_EQ(p[0], 1.0 - 0.5 * (1.0 + 0.125));
  EXPECT_DOUBLE_EQ(p[1], -2.0 + 0.5);
  EXPECT_DOUBLE_EQ(m[1], -1.0);
  EXPECT_DOUBLE_EQ(v[1], 8.0);
}

TEST(ReferenceUpdate, lamb_moves_a_tensor_by_its_own_norm) {
  // By hand, in the first step without decay: u = sign(g), |p| = 5, |u| = sqrt(2). The slice that
  // does not decay moves as with AdamW, and so does the one that is all 0.
  Truth o;
  o.state.learning_rate = 0.5F;
  o.state.bias_correction1 = 1.0F - 0.75F;
  o.state.bias_correction2 = 1.0F - 0.5F;
  o.state.gradient_sum_squares = 1.0;
  std::vector<double> p{3.0, -4.0, 7.0, 0.0}, g{0.25, 8.0, 2.0, -1.0}, m(4), v(4);
  const std::vector<ParameterSlice> slices{{.offset = 0, .size = 2, .decay = true},
                                           {.offset = 2, .size = 1, .decay = false},
                                           {.offset = 3, .size = 1, .decay = true}};
  reference::update({.optimizer = Optimizer::lamb,
                     .slices = slices,
                     .parameters = View(p.data(), {4}),
                     .gradients = ConstView(g.data(), {4}),
                     .moment1 = View(m.data(), {4}),
                     .moment2 = View(v.data(), {4}),
                     .beta1 = 0.75F,
                     .beta2 = 0.5F,
                     .epsilon = 0.0F,
                     .weight_decay = 0.0F,
                     .state = &o.state});
  const double ratio = 5.0 / std::sqrt(2.0);
  EXPECT_DOUBLE_EQ(p[0], 3.0 - 0.5 * ratio);
  EXPECT_DOUBLE_EQ(p[1], -4.0 - 0.5 * ratio);
  EXPECT_DOUBLE_EQ(p[2], 6.5);
  EXPECT_DOUBLE_EQ(p[3], 0.5);
}

TEST(ReferenceDropout, documented_counter_decides) {
  StepState state;
  state.seed = 0xfeedface12345678ULL;
  state.first_slot = 0x1fffffffeULL;
  const Dropout dropout{.probability = 0.5F, .layer = 11, .site = 4};
  // Sample 3 is slot 0x200000001: low word 1, high word 2; element 9 is word 1 of counter 2.
  const core::PhiloxBlock words =
      core::philox(state.seed, core::RandomUse::dropout, {1U, 2U ^ (4U << 16U), 11U, 2U});
  const double expected = core::uniform_float(words[1]) < 0.5F ? 0.0 : 2.0;
  EXPECT_EQ(reference::dropout_factor(dropout, &state, 3, 9), expected);
}

TEST(ReferenceDropout, kept_share_is_as_asked) {
  StepState state;
  const Dropout dropout{.probability = 0.1F, .layer = 0, .site = 0};
  double sum = 0.0;
  constexpr std::int64_t kDraws = 40000;
  for (std::int64_t i = 0; i < kDraws; ++i) {
    sum += reference::dropout_factor(dropout, &state, 0, i);
  }
  // The mean of the factors is 1; its deviation is sqrt(0.1 / 0.9 / draws) = 0.0017.
  EXPECT_NEAR(sum / kDraws, 1.0, 4 * 0.0017);
}

}  // namespace
}  // namespace epi::kernels
