// Cases of the ops over flat arrays and of the losses.
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <deque>

#include "kernels/op_cases.hpp"
#include "kernels/operands.hpp"
#include "reference/reference.hpp"

namespace epi::kernels {
namespace {

/// 1, primes, one below and above powers of two, and more than one task.
constexpr std::array<std::int64_t, 15> kSizes{1,  2,  3,   7,   15,  16,   17,   31,
                                              33, 64, 127, 129, 257, 1021, 70001};
constexpr std::array<Activation, 3> kActivations{Activation::gelu, Activation::gelu_tanh,
                                                 Activation::tanh};

/// Beside values of size 1: where a function nearly vanishes its rounding does not. An exponent of
/// 25 rounded to float is off by 1e-6, and so is what it gives.
constexpr reference::Tolerance kActivationTolerance{.relative = 1e-6, .absolute = 2e-6};

struct LossShape {
  std::int64_t rows, classes;
};

constexpr std::array<LossShape, 9> kLossShapes{
    {{1, 1}, {1, 2}, {3, 5}, {9, 15}, {17, 16}, {8, 17}, {31, 25}, {5, 130}, {7, 4101}}};

/// Every third weight is 0, as in unused target slots.
std::vector<double> slot_weights(std::int64_t count) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(i % 3 == 2 ? 0.0 : 0.5 + 0.25 * static_cast<double>(i % 4));
  }
  return values;
}

const StepState* with_scales(Operands& o) {
  o.state.loss_scale = {0.125F, 0.5F, 3.0F};
  return &o.state;
}

ClassLossArgs class_loss_args(Operands& o, const LossShape& s, bool all_outputs, float span) {
  return {.logits = o.activation_inout("logits", {s.rows, s.classes}, -span, span),
          .labels = o.index("labels", {s.rows}, static_cast<std::int32_t>(s.classes)),
          .weights = o.values("weights", {s.rows}, slot_weights(s.rows)),
          .term = all_outputs ? LossTerm::state : LossTerm::dna,
          .state = with_scales(o),
          .totals = o.totals("totals", 3),
          .row_loss = all_outputs ? o.out("row_loss", {s.rows}) : View(),
          .predicted = all_outputs ? o.out_whole("predicted", {s.rows}) : View()};
}

/// Tensors of sizes that don't divide anything, with a hole that must stay as it is.
const std::vector<ParameterSlice>& slices_of(std::int64_t size) {
  static std::deque<std::vector<ParameterSlice>> kept;
  std::vector<ParameterSlice>& slices = kept.emplace_back();
  const std::int64_t third = size / 3;
  slices.push_back({.offset = 0, .size = third, .decay = true});
  slices.push_back({.offset = third, .size = 0, .decay = true});
  slices.push_back({.offset = third, .size = size - 2 * third, .decay = false});
  slices.push_back({.offset = size - third + third / 2, .size = third - third / 2, .decay = true});
  return slices;
}

UpdateArgs update_args(Operands& o, Optimizer optimizer, std::int64_t size, float max_norm,
                       bool rounded_copy) {
  o.state.learning_rate = 0.01F;
  o.state.bias_correction1 = 0.271F;
  o.state.bias_correction2 = 0.0588F;
  o.state.max_gradient_norm = max_norm;
  o.state.gradient_sum_squares = 6.25;
  o.state.skipped = 1;
  // A parameter may be the other side of half way in float.
  o.allow("weights", {.relative = kHalfPlace});
  return {.optimizer = optimizer,
          .slices = slices_of(size),
          .parameters = o.inout("parameters", {size}),
          .gradients = o.in("gradients", {size}),
          .moment1 = o.inout("moment1", {size}),
          .moment2 = o.inout("moment2", {size}, 0.0F, 1.0F),
          .weights = rounded_copy ? o.inout_half("weights", {size}) : View(),
          .updates = {},
          .beta1 = 0.9F,
          .beta2 = 0.98F,
          .epsilon = 1e-6F,
          .weight_decay = 0.01F,
          .state = &o.state};
}

}  // namespace

void check_activate(core::DType activations) {
  for (const Activation activation : kActivations) {
    for (const std::int64_t size : kSizes) {
      SCOPED_TRACE(fmt::format("activation {} size {}", static_cast<int>(activation), size));
      check_op(
          activations, &Ops::activate, reference::activate,
          [&](Operands& o) {
            return ActivateArgs{activation, o.activation("x", {size}, -6.0F, 6.0F),
                                o.activation_out("y", {size})};
          },
          kActivationTolerance);
      check_op(
          activations, &Ops::activate, reference::activate,
          [&](Operands& o) {
            const View x = o.activation_inout("in place", {1, size}, -0.1F, 0.1F);
            return ActivateArgs{activation, x, x};
          },
          kActivationTolerance);
    }
  }
}

void check_activate_grad(core::DType activations) {
  for (const Activation activation : kActivations) {
    for (const std::int64_t size : kSizes) {
      SCOPED_TRACE(fmt::format("activation {} size {}", static_cast<int>(activation), size));
      check_op(
          activations, &Ops::activate_grad, reference::activate_grad,
          [&](Operands& o) {
            return ActivateGradArgs{activation, o.activation("x", {size}, -6.0F, 6.0F),
                                    o.activation("dy", {size}), o.activation_out("dx", {size})};
          },
          kActivationTolerance);
      check_op(
          activations, &Ops::activate_grad, reference::activate_grad,
          [&](Operands& o) {
            const View dy = o.activation_inout("in place", {size});
            return ActivateGradArgs{activation, o.activation("x", {size}), dy, dy};
          },
          kActivationTolerance);
    }
  }
}

void check_class_loss(core::DType activations) {
  for (const LossShape& s : kLossShapes) {
    for (const bool all_outputs : {true, false}) {
      for (const float span : {1.0F, 30.0F}) {
        SCOPED_TRACE(fmt::format("{} rows, {} classes, logits to {}", s.rows, s.classes, span));
        check_op(activations, &Ops::class_loss, reference::class_loss,
                 [&](Operands& o) { return class_loss_args(o, s, all_outputs, span); });
      }
    }
  }
}

void check_value_loss() {
  for (const ValueLoss loss : {ValueLoss::squared_error, ValueLoss::binary_cross_entropy}) {
    for (const LossShape& s : kLossShapes) {
      SCOPED_TRACE(fmt::format("{} rows, {} values", s.rows, s.classes));
      check_op(core::DType::f32, &Ops::value_loss, reference::value_loss, [&](Operands& o) {
        return ValueLossArgs{
            .loss = loss,
            .predictions = o.inout("predictions", {s.rows, s.classes}, -40.0F, 40.0F),
            .targets = o.in("targets", {s.rows, s.classes}, 0.0F, 1.0F),
            .weights = o.values("weights", {s.rows, s.classes}, slot_weights(s.rows * s.classes)),
            .term = LossTerm::task,
            .state = with_scales(o),
            .totals = o.totals("totals", 2)};
      });
    }
  }
}

void check_combine() {
  for (const std::int64_t size : kSizes) {
    SCOPED_TRACE(size);
    check_op(core::DType::f32, &Ops::combine, reference::combine, [&](Operands& o) {
      return CombineArgs{o.in("a", {size}), o.in("b", {size}), o.out("out", {size})};
    });
    check_op(core::DType::f32, &Ops::combine, reference::combine, [&](Operands& o) {
      const View a = o.inout("a and out", {size});
      return CombineArgs{a, o.in("b", {size}), a};
    });
    check_op(core::DType::f32, &Ops::combine, reference::combine, [&](Operands& o) {
      const View b = o.inout("b and out", {size});
      return CombineArgs{o.in("a", {size}), b, b};
    });
    check_op(core::DType::f32, &Ops::combine, reference::combine, [&](Operands& o) {
      const View a = o.totals("a and out, f64", size);
      return CombineArgs{a, o.totals("b, f64", size), a};
    });
  }
}

void check_convert() {
  for (const std::int64_t size : kSizes) {
    SCOPED_TRACE(size);
    check_op(core::DType::f32, &Ops::convert, reference::convert,
             [&](Operands& o) {
               return ConvertArgs{o.in("in", {size}), o.out_half("out", {size})};
             },
             {.relative = 0.0});
    check_op(core::DType::f32, &Ops::convert, reference::convert,
             [&](Operands& o) {
               return ConvertArgs{o.half("in", {size}), o.out("out", {size})};
             },
             {.relative = 0.0});
  }
}

void check_sum_squares() {
  for (const std::int64_t size : kSizes) {
    SCOPED_TRACE(size);
    check_op(core::DType::f32, &Ops::sum_squares, reference::sum_squares,
             [&](Operands& o) {
               return SumSquaresArgs{o.in("in", {size}, -1e-3F, 1e4F), o.totals("out", 1)};
             },
             {.relative = 1e-13});
  }
}

/// By the formulas of ops.hpp, with pow: three states that are told the same.
void check_begin_step() {
  Stream stream(core::kCpu);
  for (const std::int64_t steps : {0, 1, 2, 999, 100000}) {
    for (const double targets : {0.0, 1.0, 768.0}) {
      SCOPED_TRACE(fmt::format("{} steps, {} targets", steps, targets));
      std::array<double, 3> counts{3 * targets, targets, 2 * targets};
      std::int64_t updates = steps;
      std::array<StepState, 3> states;
      for (StepState& state : states) {
        state.seed = 7;
        state.loss_scale = {5, 5, 5};
      }
      const BeginStepArgs args{.states = states,
                               .targets = ConstView(counts.data(), {3}),
                               .updates = ConstView(&updates, {1}),
                               .term_weights = {2.0F, 0.5F},
                               .weight_in_repeats = 0.25F,
                               .beta1 = 0.9F,
                               .beta2 = 0.98F};
      tested_ops().begin_step(args, stream);
      for (const StepState& state : states) {
        const auto scale = [&](double weight, double count) {
          return targets == 0.0 ? 0.0F : static_cast<float>(weight / count);
        };
        EXPECT_EQ(state.loss_scale[0], scale(2.0, 1.5 * targets));
        EXPECT_EQ(state.loss_scale[1], scale(0.5, targets));
        EXPECT_EQ(state.loss_scale[2], 0.0F);
        const auto correction = [&](float beta) {
          return static_cast<float>(1.0 - std::pow(double{beta}, static_cast<double>(steps + 1)));
        };
        EXPECT_FLOAT_EQ(state.bias_correction1, correction(0.9F));
        EXPECT_FLOAT_EQ(state.bias_correction2, correction(0.98F));
        EXPECT_EQ(state.seed, 7U);
      }
    }
  }
}

void check_update() {
  for (const Optimizer optimizer : {Optimizer::adamw, Optimizer::lamb}) {
    for (const std::int64_t size : kSizes) {
      for (const float max_norm : {0.0F, 1.0F, 10.0F}) {
        SCOPED_TRACE(fmt::format("optimizer {}, {} parameters, norm 2.5 of at most {}",
                                 static_cast<int>(optimizer), size, max_norm));
        check_op(core::DType::f32, &Ops::update, reference::update, [&](Operands& o) {
          return update_args(o, optimizer, size, max_norm, max_norm == 1.0F);
        });
      }
    }
  }
}

}  // namespace epi::kernels
