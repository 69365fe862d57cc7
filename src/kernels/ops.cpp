// The public entry of every op: checks its operands once, for all back ends, then calls the back
// end.
#include "kernels/ops.hpp"

#include "kernels/op_checks.hpp"

namespace epi::kernels {

void Ops::assemble(const AssembleArgs& args, Stream& stream) {
  check(args, Check("assemble", device(), stream));
  do_assemble(args, stream);
}

void Ops::embed(const EmbedArgs& args, Stream& stream) {
  check(args, Check("embed", device(), stream));
  do_embed(args, stream);
}

void Ops::embed_grad(const EmbedGradArgs& args, Stream& stream) {
  check(args, Check("embed_grad", device(), stream));
  do_embed_grad(args, stream);
}

void Ops::linear(const LinearArgs& args, Stream& stream) {
  check(args, Check("linear", device(), stream));
  do_linear(args, stream);
}

void Ops::linear_grad_input(const LinearGradInputArgs& args, Stream& stream) {
  check(args, Check("linear_grad_input", device(), stream));
  do_linear_grad_input(args, stream);
}

void Ops::linear_grad_weight(const LinearGradWeightArgs& args, Stream& stream) {
  check(args, Check("linear_grad_weight", device(), stream));
  do_linear_grad_weight(args, stream);
}

void Ops::attend(const AttendArgs& args, Stream& stream) {
  check(args, Check("attend", device(), stream));
  do_attend(args, stream);
}

void Ops::attend_grad(const AttendGradArgs& args, Stream& stream) {
  check(args, Check("attend_grad", device(), stream));
  do_attend_grad(args, stream);
}

void Ops::add_norm(const AddNormArgs& args, Stream& stream) {
  check(args, Check("add_norm", device(), stream));
  do_add_norm(args, stream);
}

void Ops::add_norm_grad(const AddNormGradArgs& args, Stream& stream) {
  check(args, Check("add_norm_grad", device(), stream));
  do_add_norm_grad(args, stream);
}

void Ops::gather_rows(const GatherRowsArgs& args, Stream& stream) {
  check(args, Check("gather_rows", device(), stream));
  do_gather_rows(args, stream);
}

void Ops::scatter_rows(const ScatterRowsArgs& args, Stream& stream) {
  check(args, Check("scatter_rows", device(), stream));
  do_scatter_rows(args, stream);
}

void Ops::activate(const ActivateArgs& args, Stream& stream) {
  check(args, Check("activate", device(), stream));
  do_activate(args, stream);
}

void Ops::activate_grad(const ActivateGradArgs& args, Stream& stream) {
  check(args, Check("activate_grad", device(), stream));
  do_activate_grad(args, stream);
}

void Ops::class_loss(const ClassLossArgs& args, Stream& stream) {
  check(args, Check("class_loss", device(), stream));
  do_class_loss(args, stream);
}

void Ops::value_loss(const ValueLossArgs& args, Stream& stream) {
  check(args, Check("value_loss", device(), stream));
  do_value_loss(args, stream);
}

void Ops::combine(const CombineArgs& args, Stream& stream) {
  check(args, Check("combine", device(), stream));
  do_combine(args, stream);
}

void Ops::convert(const ConvertArgs& args, Stream& stream) {
  check(args, Check("convert", device(), stream));
  do_convert(args, stream);
}

void Ops::sum_squares(const SumSquaresArgs& args, Stream& stream) {
  check(args, Check("sum_squares", device(), stream));
  do_sum_squares(args, stream);
}

void Ops::update(const UpdateArgs& args, Stream& stream) {
  check(args, Check("update", device(), stream));
  do_update(args, stream);
}

}  // namespace epi::kernels
