// Ranks agree on a precision whatever their processors are: ops here only say what they would take.
#include "train/precision.hpp"

#include <gtest/gtest.h>

#include <array>
#include <mutex>
#include <string>

#include "core/error.hpp"

namespace epi::train {
namespace {

/// Says what it is told to; computes nothing.
class SayingOps final : public kernels::Ops {
 public:
  explicit SayingOps(const char* unit) : unit_(unit) {}
  [[nodiscard]] core::Device device() const override { return core::kCpu; }
  [[nodiscard]] const char* description() const override { return "avx512, 4 threads"; }
  [[nodiscard]] bool takes(core::DType) const override { return *unit_ != '\0'; }
  [[nodiscard]] const char* bf16_unit() const override { return unit_; }
  [[nodiscard]] core::DType weights_type(core::DType) const override { return core::DType::f32; }
  [[nodiscard]] std::int64_t row_width(std::int64_t columns, core::DType) const override {
    return columns;
  }
  [[nodiscard]] bool activates_operands() const override { return true; }
  [[nodiscard]] std::size_t scratch_bytes() const override { return 0; }
  [[nodiscard]] std::string choices() const override { return ""; }
  bool take_choices(const std::string&) override { return true; }

 private:
  void do_assemble(const kernels::AssembleArgs&, core::Stream&) override {}
  void do_embed(const kernels::EmbedArgs&, core::Stream&) override {}
  void do_embed_grad(const kernels::EmbedGradArgs&, core::Stream&) override {}
  void do_linear(const kernels::LinearArgs&, core::Stream&) override {}
  void do_linear_grad_input(const kernels::LinearGradInputArgs&, core::Stream&) override {}
  void do_linear_grad_weight(const kernels::LinearGradWeightArgs&, core::Stream&) override {}
  void do_attend(const kernels::AttendArgs&, core::Stream&) override {}
  void do_attend_grad(const kernels::AttendGradArgs&, core::Stream&) override {}
  void do_add_norm(const kernels::AddNormArgs&, core::Stream&) override {}
  void do_add_norm_grad(const kernels::AddNormGradArgs&, core::Stream&) override {}
  void do_gather_rows(const kernels::GatherRowsArgs&, core::Stream&) override {}
  void do_scatter_rows(const kernels::ScatterRowsArgs&, core::Stream&) override {}
  void do_activate(const kernels::ActivateArgs&, core::Stream&) override {}
  void do_activate_grad(const kernels::ActivateGradArgs&, core::Stream&) override {}
  void do_class_loss(const kernels::ClassLossArgs&, core::Stream&) override {}
  void do_value_loss(const kernels::ValueLossArgs&, core::Stream&) override {}
  void do_combine(const kernels::CombineArgs&, core::Stream&) override {}
  void do_convert(const kernels::ConvertArgs&, core::Stream&) override {}
  void do_sum_squares(const kernels::SumSquaresArgs&, core::Stream&) override {}
  void do_begin_step(const kernels::BeginStepArgs&, core::Stream&) override {}
  void do_update(const kernels::UpdateArgs&, core::Stream&) override {}

  const char* unit_;
};

constexpr const char* kAvx = "AVX512-BF16";

/// What three ranks with these units choose; they must choose alike.
PrecisionChoice choose(Precision wished, std::array<const char*, 3> units) {
  PrecisionChoice first;
  std::mutex mutex;
  dist::run_threads(3, [&](dist::Communicator& world) {
    const SayingOps ops(units.at(static_cast<std::size_t>(world.rank())));
    const PrecisionChoice mine = choose_precision(wished, ops, world);
    const std::lock_guard lock(mutex);
    if (first.name.empty()) first = mine;
    EXPECT_EQ(mine.name, first.name);
    EXPECT_EQ(mine.activations, first.activations);
    EXPECT_EQ(mine.line, first.line);
  });
  return first;
}

TEST(Precision_auto, takesBf16WhereEveryRankHasIt) {
  const PrecisionChoice choice = choose(Precision::automatic, {kAvx, kAvx, kAvx});
  EXPECT_EQ(choice.activations, core::DType::bf16);
  EXPECT_EQ(choice.line, "bf16: every rank's processor multiplies pairs of it (AVX512-BF16)");
  EXPECT_EQ(choice.instruction_set, "avx512, AVX512-BF16");
}

TEST(Precision_auto, takesFp32WhereOneRankLacksIt) {
  const PrecisionChoice choice = choose(Precision::automatic, {kAvx, kAvx, ""});
  EXPECT_EQ(choice.activations, core::DType::f32);
  EXPECT_EQ(choice.line,
            "fp32: rank 2's processor has no AVX512-BF16 or AMX, or EPITRAIN_ISA hides it");
  EXPECT_EQ(choice.instruction_set, "avx512");
}

TEST(Precision_auto, takesFp32WhereUnitsDiffer) {
  const PrecisionChoice choice = choose(Precision::automatic, {kAvx, "AMX", kAvx});
  EXPECT_EQ(choice.activations, core::DType::f32);
  EXPECT_NE(choice.line.find("rank 1 by AMX"), std::string::npos) << choice.line;
}

TEST(Precision_fp32, isTakenAnywhere) {
  EXPECT_EQ(choose(Precision::fp32, {kAvx, kAvx, kAvx}).activations, core::DType::f32);
  EXPECT_EQ(choose(Precision::fp32, {"", "AMX", kAvx}).activations, core::DType::f32);
}

TEST(Precision_bf16WhereOneRankLacksIt, isAConfigErrorOnAll) {
  int failures = 0;
  std::mutex mutex;
  dist::run_threads(3, [&](dist::Communicator& world) {
    const SayingOps ops(world.rank() == 1 ? "" : kAvx);
    try {
      static_cast<void>(choose_precision(Precision::bf16, ops, world));
    } catch (const core::ConfigError& error) {
      const std::lock_guard lock(mutex);
      EXPECT_NE(std::string(error.what()).find("rank 1's processor has no"), std::string::npos)
          << error.what();
      ++failures;
    }
  });
  EXPECT_EQ(failures, 3);
}

}  // namespace
}  // namespace epi::train
