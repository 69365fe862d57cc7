// One function per op: it checks the op against the reference over awkward sizes, both ways of
// writing, absent operands and the aliasing that the op allows. ops_test.cpp keeps the tables. Ops
// on activations take their type, f32 or bf16.
#pragma once

#include "core/view.hpp"

namespace epi::kernels {

// norm_cases.cpp
void check_embed(core::DType activations);
void check_embed_grad(core::DType activations);
void check_add_norm(core::DType activations);
void check_add_norm_grad(core::DType activations);
void check_gather_rows(core::DType activations);
void check_scatter_rows(core::DType activations);

// matrix_cases.cpp
void check_linear(core::DType activations);
void check_linear_grad_input(core::DType activations);
void check_linear_grad_weight(core::DType activations);
void check_attend(core::DType activations);
void check_attend_grad(core::DType activations);

// flat_cases.cpp
void check_activate(core::DType activations);
void check_activate_grad(core::DType activations);
void check_class_loss(core::DType activations);
void check_value_loss();
void check_combine();
void check_convert();
void check_sum_squares();
void check_begin_step();
void check_update();

}  // namespace epi::kernels
