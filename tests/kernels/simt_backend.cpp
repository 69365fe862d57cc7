// Tests are about the CUDA ops on an emulated device; every call runs its threads and blocks in
// another order.
#include <cstdint>
#include <cstdlib>

#include "kernels/backend.hpp"
#include "kernels/device_ops.hpp"
#include "simt/emulated_device.hpp"
#include "simt/host_gemm.hpp"
#include "simt/machine.hpp"

namespace epi::kernels {
namespace {

/// What kernels decide by: an H200 instead of the least device that is served.
void take_large_device() {
  core::DeviceProperties large = core::cuda_properties(0);
  large.major = 9;
  large.multiprocessors = 132;
  large.shared_bytes = std::size_t{227} << 10U;
  large.l2_bytes = std::size_t{50} << 20U;
  core::emulated::set_properties(large);
}

DeviceOps make_ops(std::uint64_t first_seed) {
  if (std::getenv("EPITRAIN_SIMT_LARGE") != nullptr) take_large_device();
  // Libraries offer epilogues for some types and shapes only: both ways must be right.
  cuda::offer_epilogues(std::getenv("EPITRAIN_SIMT_NO_EPILOGUES") == nullptr);
  return DeviceOps(make_cuda_ops(),
                   [seed = first_seed]() mutable { simt::twin::set_seed(seed++); });
}

}  // namespace

Ops& tested_ops() {
  static DeviceOps ops = make_ops(0);
  return ops;
}

Ops& tested_ops_again() {
  static DeviceOps ops = make_ops(1000000);
  return ops;
}

}  // namespace epi::kernels
