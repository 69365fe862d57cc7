// Ops whose kernels are not written yet, so that programs that use the others can be linked: each
// says so when it is called. Goes with the last of them.
#include "kernels/cuda/cuda_kernels.hpp"

namespace epi::kernels::cuda {

void attend_plain(const AttendArgs&, const Context&);
__attribute__((weak)) void attend_plain(const AttendArgs&, const Context&) {
  throw core::LogicError("no kernel of attend_plain yet");
}
void attend_grad_plain(const AttendGradArgs&, const Context&);
__attribute__((weak)) void attend_grad_plain(const AttendGradArgs&, const Context&) {
  throw core::LogicError("no kernel of attend_grad_plain yet");
}
__attribute__((weak)) void assemble(const AssembleArgs&, const Context&) {
  throw core::LogicError("no kernel of assemble yet");
}
__attribute__((weak)) void embed(const EmbedArgs&, const Context&) {
  throw core::LogicError("no kernel of embed yet");
}
__attribute__((weak)) void embed_grad(const EmbedGradArgs&, const Context&) {
  throw core::LogicError("no kernel of embed_grad yet");
}
__attribute__((weak)) void linear(const LinearArgs&, const Context&, Gemm&) {
  throw core::LogicError("no kernel of linear yet");
}
__attribute__((weak)) void linear_grad_input(const LinearGradInputArgs&, const Context&, Gemm&) {
  throw core::LogicError("no kernel of linear_grad_input yet");
}
__attribute__((weak)) void linear_grad_weight(const LinearGradWeightArgs&, const Context&, Gemm&) {
  throw core::LogicError("no kernel of linear_grad_weight yet");
}
__attribute__((weak)) void attend(const AttendArgs&, const Context&) {
  throw core::LogicError("no kernel of attend yet");
}
__attribute__((weak)) void attend_grad(const AttendGradArgs&, const Context&) {
  throw core::LogicError("no kernel of attend_grad yet");
}
__attribute__((weak)) void add_norm(const AddNormArgs&, const Context&) {
  throw core::LogicError("no kernel of add_norm yet");
}
__attribute__((weak)) void add_norm_grad(const AddNormGradArgs&, const Context&) {
  throw core::LogicError("no kernel of add_norm_grad yet");
}
__attribute__((weak)) void gather_rows(const GatherRowsArgs&, const Context&) {
  throw core::LogicError("no kernel of gather_rows yet");
}
__attribute__((weak)) void scatter_rows(const ScatterRowsArgs&, const Context&) {
  throw core::LogicError("no kernel of scatter_rows yet");
}
__attribute__((weak)) void activate(const ActivateArgs&, const Context&) {
  throw core::LogicError("no kernel of activate yet");
}
__attribute__((weak)) void activate_grad(const ActivateGradArgs&, const Context&) {
  throw core::LogicError("no kernel of activate_grad yet");
}
__attribute__((weak)) void class_loss(const ClassLossArgs&, const Context&) {
  throw core::LogicError("no kernel of class_loss yet");
}
__attribute__((weak)) void value_loss(const ValueLossArgs&, const Context&) {
  throw core::LogicError("no kernel of value_loss yet");
}
__attribute__((weak)) void combine(const CombineArgs&, const Context&) {
  throw core::LogicError("no kernel of combine yet");
}
__attribute__((weak)) void convert(const ConvertArgs&, const Context&) {
  throw core::LogicError("no kernel of convert yet");
}
__attribute__((weak)) void sum_squares(const SumSquaresArgs&, const Context&) {
  throw core::LogicError("no kernel of sum_squares yet");
}
__attribute__((weak)) void begin_step(const BeginStepArgs&, const Context&) {
  throw core::LogicError("no kernel of begin_step yet");
}
__attribute__((weak)) void update(const UpdateArgs&, const Context&) {
  throw core::LogicError("no kernel of update yet");
}

}  // namespace epi::kernels::cuda
