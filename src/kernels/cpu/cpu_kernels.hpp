// The CPU twin of each op, as a free function; CpuOps (cpu_ops.cpp) forwards to them. Shapes are
// checked already (ops.cpp).
#pragma once

#include "kernels/cpu/pool.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels::cpu {

class Gemm;  // gemm.hpp: products of one thread

/// One task per window.
void assemble(const AssembleArgs& args, Pool& pool);
/// Tasks of rows, each summed, normalised and dropped in cache.
void embed(const EmbedArgs& args, Pool& pool);
/// Sorted by table row, so that no two tasks add to one row at a time.
void embed_grad(const EmbedGradArgs& args, Pool& pool);
/// Strips of columns: weights packed, rows multiplied, bias and GELU applied while in cache.
void linear(const LinearArgs& args, Pool& pool, Gemm& gemm);
/// Likewise.
void linear_grad_input(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm);
/// x packed by all; then strips of dy, each transposed, summed and multiplied by one thread.
void linear_grad_weight(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm);
/// One task per head and at most 512 queries; scores never leave the cache.
void attend(const AttendArgs& args, Pool& pool, Gemm& gemm);
/// One task per head, or per part of its keys where heads are few; their dQ are then added in
/// order.
void attend_grad(const AttendGradArgs& args, Pool& pool, Gemm& gemm);
/// Tasks of rows; bound by memory.
void add_norm(const AddNormArgs& args, Pool& pool);
/// dgamma and dbeta are summed per piece of rows, then merged in order.
void add_norm_grad(const AddNormGradArgs& args, Pool& pool);
/// Tasks of gathered rows.
void gather_rows(const GatherRowsArgs& args, Pool& pool);
/// Each task owns output rows, so sums need no locks and keep their order.
void scatter_rows(const ScatterRowsArgs& args, Pool& pool);
/// Tasks of 32 Ki elements; bound by memory or by the polynomial.
void activate(const ActivateArgs& args, Pool& pool);
void activate_grad(const ActivateGradArgs& args, Pool& pool);
/// Tasks of rows; totals are added afterwards in double, in row order.
void class_loss(const ClassLossArgs& args, Pool& pool);
/// Scalar, in double; partial totals are added in order.
void value_loss(const ValueLossArgs& args, Pool& pool);
/// Tasks of 32 Ki elements; bound by memory.
void combine(const CombineArgs& args, Pool& pool);
/// Likewise, in either direction.
void convert(const ConvertArgs& args, Pool& pool);
/// Chunks of fixed size, added in order.
void sum_squares(const SumSquaresArgs& args, Pool& pool);
/// By the caller's thread.
void begin_step(const BeginStepArgs& args);
/// Pieces of the flat block rather than of tensors: biases would be tiny tasks.
void update(const UpdateArgs& args, Pool& pool);

}  // namespace epi::kernels::cpu
