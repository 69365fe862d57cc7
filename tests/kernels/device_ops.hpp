// Ops of a device for tests that know host memory only: each call copies its operands there, runs,
// waits and copies what was written back. So one test serves all back ends. Operands start at
// multiples of 256 bytes on the device, between guard zones of their own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kernels/ops.hpp"

namespace epi::kernels {

class DeviceOps final : public Ops {
 public:
  /// `before` runs before each op, and may be empty.
  explicit DeviceOps(std::unique_ptr<Ops> inner, std::function<void()> before = {})
      : inner_(std::move(inner)), before_(std::move(before)), stream_(inner_->device()) {}

  /// Where operands are expected.
  [[nodiscard]] core::Device device() const override { return core::kCpu; }
  [[nodiscard]] const char* description() const override { return inner_->description(); }
  [[nodiscard]] bool takes(core::DType activations) const override {
    return inner_->takes(activations);
  }
  [[nodiscard]] const char* bf16_unit() const override { return inner_->bf16_unit(); }
  [[nodiscard]] core::DType weights_type(core::DType activations) const override {
    return inner_->weights_type(activations);
  }
  [[nodiscard]] std::int64_t row_width(std::int64_t columns, core::DType type) const override {
    return inner_->row_width(columns, type);
  }
  [[nodiscard]] bool activates_operands() const override { return inner_->activates_operands(); }
  [[nodiscard]] std::size_t scratch_bytes() const override { return inner_->scratch_bytes(); }
  [[nodiscard]] std::string choices() const override { return inner_->choices(); }
  bool take_choices(const std::string& choices) override { return inner_->take_choices(choices); }

 private:
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

  std::unique_ptr<Ops> inner_;
  std::function<void()> before_;
  Stream stream_;
};

}  // namespace epi::kernels
