// Ops that answer for a device and compute nothing: a model made with them plans its activations in
// the host's memory, where pages that nobody touches cost nothing. So a plan needs no room on the
// device that it is for.
#pragma once

#include <string>

#include "kernels/ops.hpp"

namespace epi::train {

class PlannedOps final : public kernels::Ops {
 public:
  /// Answers as `like`, which must outlive it, but for the device, which is the CPU.
  explicit PlannedOps(const kernels::Ops& like) : like_(like) {}

  [[nodiscard]] core::Device device() const override { return core::kCpu; }
  [[nodiscard]] const char* description() const override { return like_.description(); }
  [[nodiscard]] bool takes(core::DType activations) const override {
    return like_.takes(activations);
  }
  [[nodiscard]] const char* bf16_unit() const override { return like_.bf16_unit(); }
  [[nodiscard]] core::DType weights_type(core::DType activations) const override {
    return like_.weights_type(activations);
  }
  [[nodiscard]] std::int64_t row_width(std::int64_t columns, core::DType type) const override {
    return like_.row_width(columns, type);
  }
  [[nodiscard]] bool activates_operands() const override { return like_.activates_operands(); }
  [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }
  [[nodiscard]] std::string choices() const override { return ""; }
  bool take_choices(const std::string&) override { return true; }

 private:
  using Stream = core::Stream;
  [[noreturn]] static void refuse() {
    core::require(false, "ops that plan memory are not called");
    __builtin_unreachable();
  }
  void do_assemble(const kernels::AssembleArgs&, Stream&) override { refuse(); }
  void do_embed(const kernels::EmbedArgs&, Stream&) override { refuse(); }
  void do_embed_grad(const kernels::EmbedGradArgs&, Stream&) override { refuse(); }
  void do_linear(const kernels::LinearArgs&, Stream&) override { refuse(); }
  void do_linear_grad_input(const kernels::LinearGradInputArgs&, Stream&) override { refuse(); }
  void do_linear_grad_weight(const kernels::LinearGradWeightArgs&, Stream&) override { refuse(); }
  void do_attend(const kernels::AttendArgs&, Stream&) override { refuse(); }
  void do_attend_grad(const kernels::AttendGradArgs&, Stream&) override { refuse(); }
  void do_add_norm(const kernels::AddNormArgs&, Stream&) override { refuse(); }
  void do_add_norm_grad(const kernels::AddNormGradArgs&, Stream&) override { refuse(); }
  void do_gather_rows(const kernels::GatherRowsArgs&, Stream&) override { refuse(); }
  void do_scatter_rows(const kernels::ScatterRowsArgs&, Stream&) override { refuse(); }
  void do_activate(const kernels::ActivateArgs&, Stream&) override { refuse(); }
  void do_activate_grad(const kernels::ActivateGradArgs&, Stream&) override { refuse(); }
  void do_class_loss(const kernels::ClassLossArgs&, Stream&) override { refuse(); }
  void do_value_loss(const kernels::ValueLossArgs&, Stream&) override { refuse(); }
  void do_combine(const kernels::CombineArgs&, Stream&) override { refuse(); }
  void do_convert(const kernels::ConvertArgs&, Stream&) override { refuse(); }
  void do_sum_squares(const kernels::SumSquaresArgs&, Stream&) override { refuse(); }
  void do_begin_step(const kernels::BeginStepArgs&, Stream&) override { refuse(); }
  void do_update(const kernels::UpdateArgs&, Stream&) override { refuse(); }

  const kernels::Ops& like_;
};

}  // namespace epi::train
