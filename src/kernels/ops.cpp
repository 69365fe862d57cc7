// The public entry of every op: checks its operands once, for all back ends, then calls the back
// end; times the call on its device where a profile watches.
#include "kernels/ops.hpp"

#include <utility>

#include "kernels/op_checks.hpp"
#include "kernels/profile.hpp"

namespace epi::kernels {
namespace {

/// Calls `work`; its cost and time go to the profile where there is one. Without one it costs a
/// test of a pointer, so every entry may have it.
template <class Args, class Work>
void timed(Profile* profile, const Args& args, Stream& stream, const Work& work) {
  if (profile == nullptr) return work();
  core::Mark begin(stream.device()), end(stream.device());
  begin.set(stream);
  work();
  end.set(stream);
  profile->add(cost(args), std::move(begin), std::move(end));
}

}  // namespace

void Ops::watch(Profile* profile) {
  if (profile_ != nullptr && profile_ != profile) profile_->settle();
  profile_ = profile;
}

void Ops::assemble(const AssembleArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("assemble", device(), stream, takes(core::DType::bf16)));
    do_assemble(args, stream);
  });
}

void Ops::embed(const EmbedArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("embed", device(), stream, takes(core::DType::bf16)));
    do_embed(args, stream);
  });
}

void Ops::embed_grad(const EmbedGradArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("embed_grad", device(), stream, takes(core::DType::bf16)));
    do_embed_grad(args, stream);
  });
}

void Ops::linear(const LinearArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("linear", device(), stream, takes(core::DType::bf16)), *this);
    do_linear(args, stream);
  });
}

void Ops::linear_grad_input(const LinearGradInputArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("linear_grad_input", device(), stream, takes(core::DType::bf16)), *this);
    do_linear_grad_input(args, stream);
  });
}

void Ops::linear_grad_weight(const LinearGradWeightArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("linear_grad_weight", device(), stream, takes(core::DType::bf16)), *this);
    do_linear_grad_weight(args, stream);
  });
}

void Ops::attend(const AttendArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("attend", device(), stream, takes(core::DType::bf16)));
    do_attend(args, stream);
  });
}

void Ops::attend_grad(const AttendGradArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("attend_grad", device(), stream, takes(core::DType::bf16)));
    do_attend_grad(args, stream);
  });
}

void Ops::add_norm(const AddNormArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("add_norm", device(), stream, takes(core::DType::bf16)));
    do_add_norm(args, stream);
  });
}

void Ops::add_norm_grad(const AddNormGradArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("add_norm_grad", device(), stream, takes(core::DType::bf16)));
    do_add_norm_grad(args, stream);
  });
}

void Ops::gather_rows(const GatherRowsArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("gather_rows", device(), stream, takes(core::DType::bf16)));
    do_gather_rows(args, stream);
  });
}

void Ops::scatter_rows(const ScatterRowsArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("scatter_rows", device(), stream, takes(core::DType::bf16)));
    do_scatter_rows(args, stream);
  });
}

void Ops::activate(const ActivateArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("activate", device(), stream, takes(core::DType::bf16)));
    do_activate(args, stream);
  });
}

void Ops::activate_grad(const ActivateGradArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("activate_grad", device(), stream, takes(core::DType::bf16)));
    do_activate_grad(args, stream);
  });
}

void Ops::class_loss(const ClassLossArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("class_loss", device(), stream, takes(core::DType::bf16)), *this);
    do_class_loss(args, stream);
  });
}

void Ops::value_loss(const ValueLossArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("value_loss", device(), stream, takes(core::DType::bf16)));
    do_value_loss(args, stream);
  });
}

void Ops::combine(const CombineArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("combine", device(), stream, takes(core::DType::bf16)));
    do_combine(args, stream);
  });
}

void Ops::convert(const ConvertArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("convert", device(), stream, takes(core::DType::bf16)));
    do_convert(args, stream);
  });
}

void Ops::sum_squares(const SumSquaresArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("sum_squares", device(), stream, takes(core::DType::bf16)));
    do_sum_squares(args, stream);
  });
}

void Ops::begin_step(const BeginStepArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("begin_step", device(), stream, takes(core::DType::bf16)));
    do_begin_step(args, stream);
  });
}

void Ops::update(const UpdateArgs& args, Stream& stream) {
  timed(profile_, args, stream, [&] {
    check(args, Check("update", device(), stream, takes(core::DType::bf16)));
    do_update(args, stream);
  });
}

}  // namespace epi::kernels
