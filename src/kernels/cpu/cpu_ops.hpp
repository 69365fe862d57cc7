// The CPU twin of `Ops`: owns the threads and the compiled matrix products, and forwards each op to
// its free function in cpu_kernels.hpp.
#pragma once

#include <string>

#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/pool.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels::cpu {

/// Threads of the affinity mask, at most OMP_NUM_THREADS where that is set; at least 1.
[[nodiscard]] int default_threads();

/// For one calling thread at a time.
class CpuOps final : public Ops {
 public:
  /// `threads` >= 1.
  explicit CpuOps(int threads);

  /// The CPU: streams are finished when a call returns.
  [[nodiscard]] core::Device device() const override { return core::kCpu; }
  /// Instruction set and number of threads.
  [[nodiscard]] const char* description() const override { return description_.c_str(); }
  /// bf16 where the processor multiplies pairs of it.
  [[nodiscard]] bool takes(core::DType activations) const override;
  /// As oneDNN chooses.
  [[nodiscard]] const char* bf16_unit() const override;
  /// f32: products pack them, and round them on the way.
  [[nodiscard]] core::DType weights_type(core::DType) const override { return core::DType::f32; }
  /// Rows are as fast without padding: products pack what they read.
  [[nodiscard]] std::int64_t row_width(std::int64_t columns, core::DType) const override {
    return columns;
  }
  /// While they are packed.
  [[nodiscard]] bool activates_operands() const override { return true; }
  /// Nothing is chosen by timing here.
  [[nodiscard]] std::string choices() const override { return {}; }
  /// Only the empty text fits.
  bool take_choices(const std::string& choices) override { return choices.empty(); }
  /// Of the pool and of products.
  [[nodiscard]] std::size_t scratch_bytes() const override;

 private:
  /// Each forwards to its free function with this object's threads.
  void do_assemble(const AssembleArgs& args, Stream& stream) override;
  void do_embed(const EmbedArgs& args, Stream& stream) override;
  void do_embed_grad(const EmbedGradArgs& args, Stream& stream) override;
  void do_linear(const LinearArgs& args, Stream& stream) override;
  void do_linear_grad_input(const LinearGradInputArgs& args, Stream& stream) override;
  void do_linear_grad_weight(const LinearGradWeightArgs& args, Stream& stream) override;
  void do_attend(const AttendArgs& args, Stream& stream) override;
  void do_attend_grad(const AttendGradArgs& args, Stream& stream) override;
  void do_add_norm(const AddNormArgs& args, Stream& stream) override;
  void do_add_norm_grad(const AddNormGradArgs& args, Stream& stream) override;
  void do_gather_rows(const GatherRowsArgs& args, Stream& stream) override;
  void do_scatter_rows(const ScatterRowsArgs& args, Stream& stream) override;
  void do_activate(const ActivateArgs& args, Stream& stream) override;
  void do_activate_grad(const ActivateGradArgs& args, Stream& stream) override;
  void do_class_loss(const ClassLossArgs& args, Stream& stream) override;
  void do_value_loss(const ValueLossArgs& args, Stream& stream) override;
  void do_combine(const CombineArgs& args, Stream& stream) override;
  void do_convert(const ConvertArgs& args, Stream& stream) override;
  void do_sum_squares(const SumSquaresArgs& args, Stream& stream) override;
  void do_begin_step(const BeginStepArgs& args, Stream& stream) override;
  void do_update(const UpdateArgs& args, Stream& stream) override;

  Pool pool_;
  Gemm gemm_;
  std::string description_;
};

}  // namespace epi::kernels::cpu
