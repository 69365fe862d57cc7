// The roofs of GPUs: makers' figures by name, and rates measured through ops, here the CPU's.
#include <gtest/gtest.h>

#include "core/device.hpp"
#include "kernels/ops.hpp"
#include "launch/bench_roofs_gpu.hpp"

namespace epi::launch {
namespace {

TEST(DataSheet_ofANamedGpu, isItsDenseRate) {
  EXPECT_EQ(data_sheet("NVIDIA H200").bf16, 989e12);
  EXPECT_EQ(data_sheet("NVIDIA H100 80GB HBM3").bf16, 989e12);
  EXPECT_EQ(data_sheet("NVIDIA H100 PCIe").bf16, 756e12);
  EXPECT_EQ(data_sheet("NVIDIA A100-SXM4-80GB").bf16, 312e12);
  EXPECT_EQ(data_sheet("NVIDIA A10").bf16, 125e12);
  EXPECT_EQ(data_sheet("NVIDIA L40S").bf16, 362e12);
  EXPECT_EQ(data_sheet("NVIDIA L4").bf16, 121e12);
}

TEST(DataSheet_ofAnUnknownGpu, isZero) {
  EXPECT_EQ(data_sheet("NVIDIA X1").bf16, 0.0);
  EXPECT_EQ(data_sheet("").fp32, 0.0);
}

class OpsRoofs : public testing::Test {
 protected:
  std::unique_ptr<kernels::Ops> ops_ = kernels::make_cpu_ops(1);
  core::Stream stream_{core::kCpu};
  RoofSizes small_{.product = 128, .largest_log = 20};
};

TEST_F(OpsRoofs, unknownGpu_hasWhatWasMeasuredAsNominal) {
  Roofs roofs(make_ops_roofs(*ops_, stream_, "unknown", small_));
  EXPECT_GT(roofs.peak(core::DType::f32), 1e8);
  EXPECT_EQ(roofs.nominal_peak(core::DType::f32), roofs.peak(core::DType::f32));
  EXPECT_FALSE(roofs.nominal_known(core::DType::bf16));
  EXPECT_EQ(roofs.peak(core::DType::bf16) > 0.0, ops_->takes(core::DType::bf16));
}

TEST_F(OpsRoofs, knownGpu_isJudgedByWhatWasMeasuredAndStatedByTheSheet) {
  Roofs roofs(make_ops_roofs(*ops_, stream_, "NVIDIA H200", small_));
  EXPECT_EQ(roofs.nominal_peak(core::DType::bf16), 989e12);
  EXPECT_LT(roofs.peak(core::DType::f32), 67e12);
}

TEST_F(OpsRoofs, memory_isMeasuredInFourWays) {
  Roofs roofs(make_ops_roofs(*ops_, stream_, "", small_));
  const kernels::cpu::MemoryRates& rates = roofs.main_memory();
  for (const double rate : {rates.read, rates.copy, rates.triad, rates.in_place}) {
    EXPECT_GT(rate, 1e8);
    EXPECT_LT(rate, 1e13);
  }
  // Working sets above the largest are measured at the largest.
  EXPECT_EQ(&roofs.memory(1e12), &rates);
}

}  // namespace
}  // namespace epi::launch
