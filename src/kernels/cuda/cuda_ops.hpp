// The CUDA twin of `Ops`: owns scratch, uploaded tables and the chosen products, and forwards each
// op to its free function in cuda_kernels.hpp.
#pragma once

#include <string>

#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/gemm.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/uploads.hpp"

namespace epi::kernels::cuda {

/// For one stream at a time, from one thread.
class CudaOps final : public Ops {
 public:
  /// DeviceError when the device does not exist or is below compute capability 8.0.
  explicit CudaOps(const CudaSettings& settings);

  [[nodiscard]] core::Device device() const override { return device_; }
  /// Model and compute capability: "NVIDIA H200 sm_90, 132 multiprocessors".
  [[nodiscard]] const char* description() const override { return description_.c_str(); }
  /// f32 and bf16.
  [[nodiscard]] bool takes(core::DType activations) const override;
  /// The GPU's model.
  [[nodiscard]] const char* bf16_unit() const override { return model_.c_str(); }
  /// That of the activations: the optimizer writes a rounded copy.
  [[nodiscard]] core::DType weights_type(core::DType activations) const override {
    return activations;
  }
  /// Whole lines of 128 bytes; of 16 bytes where a row is shorter than a line.
  [[nodiscard]] std::int64_t row_width(std::int64_t columns, core::DType type) const override;
  /// Another pass over memory.
  [[nodiscard]] bool activates_operands() const override { return false; }
  [[nodiscard]] std::size_t scratch_bytes() const override;
  /// Of products.
  [[nodiscard]] std::string choices() const override { return gemm_.choices(); }
  bool take_choices(const std::string& choices) override { return gemm_.take_choices(choices); }

 private:
  /// Each forwards to its free function.
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
  [[nodiscard]] Context context(const Stream& stream);

  core::Device device_;
  DeviceLimits limits_;
  std::string model_, description_;
  Scratch scratch_;
  Uploads uploads_;
  Gemm gemm_;
};

}  // namespace epi::kernels::cuda
