// The plainest correct code of every op, in double: the truth that back ends are tested against.
//
// A reference op takes the same arguments as its op in kernels/ops.hpp with every f32 operand in
// f64, activations in bf16 too. Integers, weights of the state and contracts (`=`, `+=`, absent
// operands) are the same. The
// gradients here are themselves checked by finite differences (tests/kernels/reference_test).
#pragma once

#include <cstdint>

#include "kernels/ops.hpp"

namespace epi::reference {

/// What dropout multiplies element `element` of sample `sample` by: 0 or 1 / (1 - probability).
[[nodiscard]] double dropout_factor(const kernels::Dropout& dropout,
                                    const kernels::StepState* state, std::int64_t sample,
                                    std::int64_t element);

/// The activation at x, and its derivative.
[[nodiscard]] double activation(kernels::Activation kind, double x);
[[nodiscard]] double activation_slope(kernels::Activation kind, double x);

/// The nearest value with eight significant bits, ties to even: the definition of bfloat16.
/// Beyond the largest one it is 2^128, which is infinite as a float.
[[nodiscard]] double round_to_bf16(double value);

void embed(const kernels::EmbedArgs& args);
void embed_grad(const kernels::EmbedGradArgs& args);
void linear(const kernels::LinearArgs& args);
void linear_grad_input(const kernels::LinearGradInputArgs& args);
void linear_grad_weight(const kernels::LinearGradWeightArgs& args);
void attend(const kernels::AttendArgs& args);
void attend_grad(const kernels::AttendGradArgs& args);
void add_norm(const kernels::AddNormArgs& args);
void add_norm_grad(const kernels::AddNormGradArgs& args);
void gather_rows(const kernels::GatherRowsArgs& args);
void scatter_rows(const kernels::ScatterRowsArgs& args);
void activate(const kernels::ActivateArgs& args);
void activate_grad(const kernels::ActivateGradArgs& args);
void class_loss(const kernels::ClassLossArgs& args);
void value_loss(const kernels::ValueLossArgs& args);
void combine(const kernels::CombineArgs& args);
/// Any of f32, f64 and bf16 into any other; bf16 by the definition of rounding, not by its bits.
void convert(const kernels::ConvertArgs& args);
void sum_squares(const kernels::SumSquaresArgs& args);
void update(const kernels::UpdateArgs& args);

}  // namespace epi::reference
