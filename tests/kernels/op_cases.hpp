// One function per op: it checks the op against the reference over awkward sizes, both ways of
// writing, absent operands and the aliasing that the op allows. ops_test.cpp keeps the table.
#pragma once

namespace epi::kernels {

// norm_cases.cpp
void check_embed();
void check_embed_grad();
void check_add_norm();
void check_add_norm_grad();
void check_gather_rows();
void check_scatter_rows();

// matrix_cases.cpp
void check_linear();
void check_linear_grad_input();
void check_linear_grad_weight();
void check_attend();
void check_attend_grad();

// flat_cases.cpp
void check_activate();
void check_activate_grad();
void check_class_loss();
void check_value_loss();
void check_combine();
void check_convert();
void check_sum_squares();
void check_update();

}  // namespace epi::kernels
