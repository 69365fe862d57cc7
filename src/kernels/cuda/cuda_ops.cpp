// Forwards each op; see the header.
#include "kernels/cuda/cuda_ops.hpp"

namespace epi::kernels {
namespace cuda {
namespace {

/// Compute capability and sizes of a device, once it has been found new enough.
core::DeviceProperties properties_of(core::Device device) {
  const core::DeviceProperties properties = core::cuda_properties(device.index);
  if (properties.major < kOldestComputeMajor) {
    throw core::DeviceError(
        "CUDA device " + std::to_string(device.index) + " (" + properties.name +
        ") has compute capability " + std::to_string(properties.major) + "." +
        std::to_string(properties.minor) +
        "; the kernels need 8.0 or newer (Ampere, Ada, Hopper, Blackwell): use device = \"cpu\"");
  }
  return properties;
}

}  // namespace

CudaOps::CudaOps(const CudaSettings& settings)
    : device_{core::DeviceKind::cuda, settings.device},
      scratch_(device_),
      uploads_(device_),
      gemm_(device_, settings) {
  const core::DeviceProperties p = properties_of(device_);
  limits_ = {.multiprocessors = p.multiprocessors,
             .major = p.major,
             .minor = p.minor,
             .shared_bytes = p.shared_bytes,
             .l2_bytes = p.l2_bytes};
  model_ = p.name;
  description_ = p.name + " sm_" + std::to_string(p.major) + std::to_string(p.minor) + ", " +
                 std::to_string(p.multiprocessors) + " multiprocessors";
}

bool CudaOps::takes(core::DType activations) const {
  return activations == core::DType::f32 || activations == core::DType::bf16;
}

std::int64_t CudaOps::row_width(std::int64_t columns, core::DType type) const {
  constexpr std::int64_t kAccess = 16;  // bytes that a thread reads at once
  constexpr std::int64_t kLine = 128;
  const auto size = static_cast<std::int64_t>(core::size_of(type));
  const std::int64_t step = (columns * size < kLine ? kAccess : kLine) / size;
  return (columns + step - 1) / step * step;
}

std::size_t CudaOps::scratch_bytes() const {
  return scratch_.held() + gemm_.bytes();
}

Context CudaOps::context(const Stream& stream) {
  return {stream.native(), limits_, scratch_, uploads_};
}

void CudaOps::do_assemble(const AssembleArgs& args, Stream& stream) {
  cuda::assemble(args, context(stream));
}
void CudaOps::do_embed(const EmbedArgs& args, Stream& stream) {
  cuda::embed(args, context(stream));
}
void CudaOps::do_embed_grad(const EmbedGradArgs& args, Stream& stream) {
  cuda::embed_grad(args, context(stream));
}
void CudaOps::do_linear(const LinearArgs& args, Stream& stream) {
  cuda::linear(args, context(stream), gemm_);
}
void CudaOps::do_linear_grad_input(const LinearGradInputArgs& args, Stream& stream) {
  cuda::linear_grad_input(args, context(stream), gemm_);
}
void CudaOps::do_linear_grad_weight(const LinearGradWeightArgs& args, Stream& stream) {
  cuda::linear_grad_weight(args, context(stream), gemm_);
}
void CudaOps::do_attend(const AttendArgs& args, Stream& stream) {
  cuda::attend(args, context(stream));
}
void CudaOps::do_attend_grad(const AttendGradArgs& args, Stream& stream) {
  cuda::attend_grad(args, context(stream));
}
void CudaOps::do_add_norm(const AddNormArgs& args, Stream& stream) {
  cuda::add_norm(args, context(stream));
}
void CudaOps::do_add_norm_grad(const AddNormGradArgs& args, Stream& stream) {
  cuda::add_norm_grad(args, context(stream));
}
void CudaOps::do_gather_rows(const GatherRowsArgs& args, Stream& stream) {
  cuda::gather_rows(args, context(stream));
}
void CudaOps::do_scatter_rows(const ScatterRowsArgs& args, Stream& stream) {
  cuda::scatter_rows(args, context(stream));
}
void CudaOps::do_activate(const ActivateArgs& args, Stream& stream) {
  cuda::activate(args, context(stream));
}
void CudaOps::do_activate_grad(const ActivateGradArgs& args, Stream& stream) {
  cuda::activate_grad(args, context(stream));
}
void CudaOps::do_class_loss(const ClassLossArgs& args, Stream& stream) {
  cuda::class_loss(args, context(stream));
}
void CudaOps::do_value_loss(const ValueLossArgs& args, Stream& stream) {
  cuda::value_loss(args, context(stream));
}
void CudaOps::do_combine(const CombineArgs& args, Stream& stream) {
  cuda::combine(args, context(stream));
}
void CudaOps::do_convert(const ConvertArgs& args, Stream& stream) {
  cuda::convert(args, context(stream));
}
void CudaOps::do_sum_squares(const SumSquaresArgs& args, Stream& stream) {
  cuda::sum_squares(args, context(stream));
}
void CudaOps::do_begin_step(const BeginStepArgs& args, Stream& stream) {
  cuda::begin_step(args, context(stream));
}
void CudaOps::do_update(const UpdateArgs& args, Stream& stream) {
  cuda::update(args, context(stream));
}

}  // namespace cuda

std::unique_ptr<Ops> make_cuda_ops(const CudaSettings& settings) {
  return std::make_unique<cuda::CudaOps>(settings);
}

}  // namespace epi::kernels
