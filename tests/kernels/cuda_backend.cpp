// Tests are about the CUDA ops on the first GPU. Without one none of them runs, and that is said.
#include <gtest/gtest.h>

#include <iostream>

#include "kernels/backend.hpp"
#include "kernels/device_ops.hpp"

namespace epi::kernels {
namespace {

/// What ctest takes for "skipped" (SKIP_RETURN_CODE).
constexpr int kSkipped = 77;

}  // namespace

Ops& tested_ops() {
  static DeviceOps ops(make_cuda_ops());
  return ops;
}

Ops& tested_ops_again() {
  return tested_ops();
}

}  // namespace epi::kernels

int main(int argc, char** argv) {
  if (epi::core::cuda_device_count() == 0) {
    std::cout << "NO OP IS TESTED ON A GPU: " << epi::core::cuda_missing() << '\n';
    return epi::kernels::kSkipped;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
