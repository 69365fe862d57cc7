// The CPU twin of each op, as a free function; CpuOps (cpu_ops.cpp) forwards to them. Shapes are
// checked already (ops.cpp).
#pragma once

#include "kernels/cpu/pool.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels::cpu {

class Gemm;  // gemm.hpp: oneDNN with shape-fixed panels

void assemble(const AssembleArgs& args, Pool& pool);
void embed(const EmbedArgs& args, Pool& pool);
void embed_grad(const EmbedGradArgs& args, Pool& pool);
void linear(const LinearArgs& args, Pool& pool, Gemm& gemm);
void linear_grad_input(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm);
void linear_grad_weight(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm);
void attend(const AttendArgs& args, Pool& pool, Gemm& gemm);
void attend_grad(const AttendGradArgs& args, Pool& pool, Gemm& gemm);
void add_norm(const AddNormArgs& args, Pool& pool);
void add_norm_grad(const AddNormGradArgs& args, Pool& pool);
void gather_rows(const GatherRowsArgs& args, Pool& pool);
void scatter_rows(const ScatterRowsArgs& args, Pool& pool);
void activate(const ActivateArgs& args, Pool& pool);
void activate_grad(const ActivateGradArgs& args, Pool& pool);
void class_loss(const ClassLossArgs& args, Pool& pool);
void value_loss(const ValueLossArgs& args, Pool& pool);
void combine(const CombineArgs& args, Pool& pool);
void convert(const ConvertArgs& args, Pool& pool);
void sum_squares(const SumSquaresArgs& args, Pool& pool);
void update(const UpdateArgs& args, Pool& pool);

}  // namespace epi::kernels::cpu
