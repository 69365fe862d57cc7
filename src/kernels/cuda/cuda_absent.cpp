// The build without CUDA: asking for its back end says how to get it.
#include "kernels/ops.hpp"

namespace epi::kernels {

std::unique_ptr<Ops> make_cuda_ops(const CudaSettings&) {
  throw core::DeviceError(core::cuda_missing());
}

}  // namespace epi::kernels
