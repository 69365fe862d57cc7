// The CUDA twin of each op, as a free function; CudaOps (cuda_ops.cpp) forwards to them. Shapes are
// checked already (ops.cpp). Each queues kernels on the context's stream and returns.
#pragma once

#include <cstddef>

#include "kernels/cuda/launch.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels::cuda {

class Gemm;     // gemm.hpp: products by cuBLASLt
class Scratch;  // scratch.hpp
class Uploads;  // uploads.hpp: small constant tables in device memory

/// What every op needs beside its operands.
struct Context {
  void* stream = nullptr;  ///< cudaStream_t
  const DeviceLimits& limits;
  Scratch& scratch;
  Uploads& uploads;
};

/// One block per window.
void assemble(const AssembleArgs& args, const Context& context);
/// A warp a row: gather, sum, LayerNorm, dropout, one store.
void embed(const EmbedArgs& args, const Context& context);
/// Rows sorted by table row on the device; sums in fixed pieces, then over pieces in order.
void embed_grad(const EmbedGradArgs& args, const Context& context);
/// One product with its epilogue.
void linear(const LinearArgs& args, const Context& context, Gemm& gemm);
/// Likewise.
void linear_grad_input(const LinearGradInputArgs& args, const Context& context, Gemm& gemm);
/// Likewise; column sums ride along where cuBLASLt offers it.
void linear_grad_weight(const LinearGradWeightArgs& args, const Context& context, Gemm& gemm);
/// Fused, on mma.sync for bf16; scores never leave the multiprocessor.
void attend(const AttendArgs& args, const Context& context);
/// Fused and deterministic: no sum depends on the order of blocks.
void attend_grad(const AttendGradArgs& args, const Context& context);
/// A warp a row.
void add_norm(const AddNormArgs& args, const Context& context);
/// Column sums per fixed piece of rows, then over pieces in order.
void add_norm_grad(const AddNormGradArgs& args, const Context& context);
/// Sixteen bytes a thread.
void gather_rows(const GatherRowsArgs& args, const Context& context);
/// Each output row adds up its own inputs, in order.
void scatter_rows(const ScatterRowsArgs& args, const Context& context);
/// Sixteen bytes a thread.
void activate(const ActivateArgs& args, const Context& context);
void activate_grad(const ActivateGradArgs& args, const Context& context);
/// A block a row, a warp where classes are few: logits are read once and overwritten once.
void class_loss(const ClassLossArgs& args, const Context& context);
/// Totals per block, then over blocks in order.
void value_loss(const ValueLossArgs& args, const Context& context);
/// Sixteen bytes a thread.
void combine(const CombineArgs& args, const Context& context);
/// Likewise.
void convert(const ConvertArgs& args, const Context& context);
/// Chunks of fixed size, added in order.
void sum_squares(const SumSquaresArgs& args, const Context& context);
/// A thread a state.
void begin_step(const BeginStepArgs& args, const Context& context);
/// One pass over the flat block.
void update(const UpdateArgs& args, const Context& context);

}  // namespace epi::kernels::cuda
