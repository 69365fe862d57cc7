// Every op against the reference in double. The table below is compared with ops.hpp, so an op
// without a test can't exist.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <string>

#include "core/bf16.hpp"
#include "core/files.hpp"
#include "kernels/op_cases.hpp"
#include "kernels/operands.hpp"
#include "reference/reference.hpp"

namespace epi::kernels {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

struct OpTest {
  const char* op;
  void (*check)();
};

struct ActivationOpTest {
  const char* op;
  void (*check)(core::DType activations);
};

/// Windows and masks are integers: their truth is hand-made (assemble_test.cpp), not a formula in
/// double.
void check_assemble() {
  const testing::UnitTest& program = *testing::UnitTest::GetInstance();
  bool here = false;
  for (int i = 0; i < program.total_test_suite_count(); ++i) {
    here = here || std::string(program.GetTestSuite(i)->name()) == "Assemble_test";
  }
  EXPECT_TRUE(here);
}

constexpr std::array<OpTest, 7> kOpTests{{
    {"assemble", check_assemble},
    {"value_loss", check_value_loss},
    {"combine", check_combine},
    {"convert", check_convert},
    {"sum_squares", check_sum_squares},
    {"begin_step", check_begin_step},
    {"update", check_update},
}};

constexpr std::array<ActivationOpTest, 14> kActivationOpTests{{
    {"embed", check_embed},
    {"embed_grad", check_embed_grad},
    {"linear", check_linear},
    {"linear_grad_input", check_linear_grad_input},
    {"linear_grad_weight", check_linear_grad_weight},
    {"attend", check_attend},
    {"attend_grad", check_attend_grad},
    {"add_norm", check_add_norm},
    {"add_norm_grad", check_add_norm_grad},
    {"gather_rows", check_gather_rows},
    {"scatter_rows", check_scatter_rows},
    {"activate", check_activate},
    {"activate_grad", check_activate_grad},
    {"class_loss", check_class_loss},
}};

const auto kName = [](const auto& test) { return test.param.op; };

class EveryOp : public testing::TestWithParam<OpTest> {};
class EveryActivationOp : public testing::TestWithParam<ActivationOpTest> {};
class EveryBf16Op : public testing::TestWithParam<ActivationOpTest> {};

TEST_P(EveryOp, any_size_agrees_with_the_reference) {
  GetParam().check();
}

TEST_P(EveryActivationOp, any_size_in_fp32_agrees_with_the_reference) {
  GetParam().check(core::DType::f32);
}

TEST_P(EveryBf16Op, any_size_in_bf16_agrees_with_the_reference) {
  GetParam().check(core::DType::bf16);
}

bool takes_bf16() {
  return tested_ops().takes(core::DType::bf16);
}

/// All of them, or none where the back end has no bf16: then the test below says so, once.
std::vector<ActivationOpTest> bf16_tests() {
  if (!takes_bf16()) return {};
  return {kActivationOpTests.begin(), kActivationOpTests.end()};
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryOp, testing::ValuesIn(kOpTests), kName);
INSTANTIATE_TEST_SUITE_P(Ops, EveryActivationOp, testing::ValuesIn(kActivationOpTests), kName);
INSTANTIATE_TEST_SUITE_P(Ops, EveryBf16Op, testing::ValuesIn(bf16_tests()), kName);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EveryBf16Op);

TEST(OpTable, back_end_takes_bf16_too) {
  if (!takes_bf16()) {
    GTEST_SKIP() << "NO OP IS TESTED IN BF16: " << tested_ops().description()
                 << " has no products of bf16 (AVX512-BF16, AMX)";
  }
  EXPECT_TRUE(tested_ops_again().takes(core::DType::bf16));
}

TEST(OpTable, compared_with_the_header_has_every_op) {
  const std::filesystem::path file = std::filesystem::path(EPI_SOURCE_DIR) / "src/kernels/ops.hpp";
  if (!std::filesystem::exists(file)) {
    GTEST_SKIP() << file.string() << " is not here: this program was built on another machine";
  }
  const std::string header = core::read_text(file);
  const std::string pure_virtual = "virtual void do_";
  std::set<std::string> declared;
  for (std::size_t at = header.find(pure_virtual); at != std::string::npos;
       at = header.find(pure_virtual, at)) {
    at += pure_virtual.size();
    declared.insert(header.substr(at, header.find('(', at) - at));
  }
  std::set<std::string> tested;
  for (const OpTest& test : kOpTests) tested.insert(test.op);
  for (const ActivationOpTest& test : kActivationOpTests) tested.insert(test.op);
  EXPECT_EQ(declared, tested);
}

// --- what no formula covers

TEST(ClassLoss, unused_slot_with_nan_logits_gets_gradient_zero_and_counts_nowhere) {
  Stream stream(core::kCpu);
  std::vector<float> logits{1, 2, 3, kNan, kInf, kNan};
  std::vector<std::int32_t> labels{0, 1};
  std::vector<float> weights{1, 0};
  std::vector<double> totals{0, 0, 0};
  StepState state;
  state.loss_scale = {1, 1, 1};
  tested_ops().class_loss({.logits = View(logits.data(), {2, 3}),
                           .labels = ConstView(labels.data(), {2}),
                           .weights = ConstView(weights.data(), {2}),
                           .term = LossTerm::dna,
                           .state = &state,
                           .totals = View(totals.data(), {3}),
                           .row_loss = {},
                           .predicted = {}},
                          stream);
  EXPECT_EQ(std::vector<float>(logits.begin() + 3, logits.end()), std::vector<float>({0, 0, 0}));
  EXPECT_NEAR(totals[0], std::log(1 + std::exp(1.0) + std::exp(2.0)), 1e-6);
  EXPECT_EQ(totals[1], 1.0);
  EXPECT_EQ(totals[2], 0.0);
}

TEST(ClassLoss, nan_logit_in_a_used_row_shows_in_the_loss) {
  Stream stream(core::kCpu);
  for (std::size_t where = 0; where < 40; ++where) {
    std::vector<float> logits(40, 0.5F);
    logits[where] = kNan;
    std::int32_t label = 3;
    float weight = 1;
    std::vector<double> totals{0, 0, 0};
    StepState state;
    tested_ops().class_loss({.logits = View(logits.data(), {1, 40}),
                             .labels = ConstView(&label, {1}),
                             .weights = ConstView(&weight, {1}),
                             .term = LossTerm::dna,
                             .state = &state,
                             .totals = View(totals.data(), {3}),
                             .row_loss = {},
                             .predicted = {}},
                            stream);
    EXPECT_TRUE(std::isnan(totals[0])) << where;
  }
}

TEST(ClassLoss, tie_predicts_the_lowest_index) {
  Stream stream(core::kCpu);
  std::vector<float> logits(50, 1.0F);
  logits[0] = 0.0F;
  std::int32_t label = 1;
  std::int32_t predicted = -1;
  float weight = 1;
  std::vector<double> totals{0, 0, 0};
  StepState state;
  tested_ops().class_loss({.logits = View(logits.data(), {1, 50}),
                           .labels = ConstView(&label, {1}),
                           .weights = ConstView(&weight, {1}),
                           .term = LossTerm::dna,
                           .state = &state,
                           .totals = View(totals.data(), {3}),
                           .row_loss = {},
                           .predicted = View(&predicted, {1})},
                          stream);
  EXPECT_EQ(predicted, 1);
  EXPECT_EQ(totals[2], 1.0);
}

TEST(SumSquares, non_finite_element_makes_the_sum_non_finite) {
  Stream stream(core::kCpu);
  for (const float bad : {kNan, kInf, -kInf}) {
    for (const std::size_t where : {0U, 17U, 31U, 32U, 40000U, 69999U}) {
      std::vector<float> values(70000, 0.25F);
      values[where] = bad;
      double sum = 0.0;
      tested_ops_again().sum_squares({ConstView(values.data(), {70000}), View(&sum, {1})}, stream);
      EXPECT_FALSE(std::isfinite(sum)) << bad << " at " << where;
    }
  }
}

TEST(Update, non_finite_gradient_norm_leaves_everything_and_says_so) {
  Stream stream(core::kCpu);
  for (const Optimizer optimizer : {Optimizer::adamw, Optimizer::lamb}) {
    for (const double bad :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
      std::vector<float> p{1, 2}, g{kNan, 1}, m{3, 4}, v{5, 6};
      const std::vector<ParameterSlice> slices{{.offset = 0, .size = 2, .decay = true}};
      StepState state;
      state.learning_rate = 0.1F;
      state.gradient_sum_squares = bad;
      const UpdateArgs args{.optimizer = optimizer,
                            .slices = slices,
                            .parameters = View(p.data(), {2}),
                            .gradients = ConstView(g.data(), {2}),
                            .moment1 = View(m.data(), {2}),
                            .moment2 = View(v.data(), {2}),
                            .state = &state};
      tested_ops().update(args, stream);
      EXPECT_EQ(state.skipped, 1);
      EXPECT_EQ(p, std::vector<float>({1, 2}));
      EXPECT_EQ(m, std::vector<float>({3, 4}));
      EXPECT_EQ(v, std::vector<float>({5, 6}));
    }
  }
}

TEST(Update, lamb_moves_tensors_of_zeros_and_leaves_those_that_have_nowhere_to_go) {
  // A norm of 0 would make the ratio 0 / |u| or |p| / 0: the tensor would never leave 0, or be NaN.
  Stream stream(core::kCpu);
  std::vector<float> p{0, 0, 3, 4}, g{1, -1, 0, 0}, m(4), v(4);
  const std::vector<ParameterSlice> slices{{.offset = 0, .size = 2, .decay = true},
                                           {.offset = 2, .size = 2, .decay = true}};
  StepState state;
  state.learning_rate = 0.125F;
  state.bias_correction1 = 0.1F;
  state.bias_correction2 = 0.02F;
  tested_ops().update({.optimizer = Optimizer::lamb,
                       .slices = slices,
                       .parameters = View(p.data(), {4}),
                       .gradients = ConstView(g.data(), {4}),
                       .moment1 = View(m.data(), {4}),
                       .moment2 = View(v.data(), {4}),
                       .weight_decay = 0.0F,
                       .state = &state},
                      stream);
  EXPECT_NEAR(p[0], -0.125F, 1e-6F);
  EXPECT_NEAR(p[1], 0.125F, 1e-6F);
  EXPECT_EQ(p[2], 3.0F);
  EXPECT_EQ(p[3], 4.0F);
}

TEST(Update, rounds_a_copy_of_the_parameters_and_counts_the_step) {
  Stream stream(core::kCpu);
  const std::int64_t size = 1000;
  std::vector<float> p(1000, 1.0F), g(1000, 0.5F), m(1000), v(1000);
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = 0.001F * static_cast<float>(i);
  std::vector<core::BFloat16> weights(1000, core::BFloat16{0x7fff});
  // Parameters between the slices are not touched, and neither are their copies.
  const std::vector<ParameterSlice> slices{{.offset = 0, .size = 333, .decay = true},
                                           {.offset = 336, .size = 664, .decay = false}};
  std::int64_t updates = 41;
  StepState state;
  state.learning_rate = 0.1F;
  UpdateArgs args{.slices = slices,
                  .parameters = View(p.data(), {size}),
                  .gradients = ConstView(g.data(), {size}),
                  .moment1 = View(m.data(), {size}),
                  .moment2 = View(v.data(), {size}),
                  .weights = View(weights.data(), {size}),
                  .updates = View(&updates, {1}),
                  .state = &state};
  state.gradient_sum_squares = 250.0;
  tested_ops().update(args, stream);
  EXPECT_EQ(updates, 42);
  for (std::size_t i = 0; i < p.size(); ++i) {
    const bool inside = i < 333 || i >= 336;
    EXPECT_EQ(weights[i].bits, inside ? core::to_bf16(p[i]).bits : 0x7fff) << i;
  }
  state.gradient_sum_squares = static_cast<double>(kInf);
  tested_ops().update(args, stream);
  EXPECT_EQ(updates, 42) << "a skipped step does not count";
  EXPECT_EQ(state.skipped, 1);
}

TEST(Convert, counts_become_doubles) {
  Stream stream(core::kCpu);
  const std::vector<std::int64_t> in{0, -1, 4101, (std::int64_t{1} << 53U) - 1};
  std::vector<double> out(in.size());
  tested_ops().convert({ConstView(in.data(), {4}), View(out.data(), {4})}, stream);
  EXPECT_EQ(out, std::vector<double>({0, -1, 4101, 9007199254740991.0}));
}

TEST(Convert, special_values_keep_their_meaning) {
  Stream stream(core::kCpu);
  // 1 + 2^-8 is halfway: to even, down; 1 + 3 * 2^-8 halfway: to even, up.
  std::vector<float> in{0.0F, -0.0F, kInf, -kInf, kNan, 1.00390625F, 1.01171875F, 3.4e38F, 1e-40F};
  std::vector<core::BFloat16> half(in.size());
  std::vector<float> back(in.size());
  const auto count = static_cast<std::int64_t>(in.size());
  tested_ops().convert({ConstView(in.data(), {count}), View(half.data(), {count})}, stream);
  tested_ops().convert({ConstView(half.data(), {count}), View(back.data(), {count})}, stream);
  EXPECT_EQ(half[0].bits, 0x0000U);
  EXPECT_EQ(half[1].bits, 0x8000U);
  EXPECT_EQ(back[2], kInf);
  EXPECT_EQ(back[3], -kInf);
  EXPECT_TRUE(std::isnan(back[4]));
  EXPECT_EQ(back[5], 1.0F);
  EXPECT_EQ(back[6], 1.015625F);
  EXPECT_EQ(back[7], kInf) << "above the largest bf16";
  EXPECT_EQ(back[8], 0x1p-133F) << "the smallest subnormal number, not 0";
}

}  // namespace
}  // namespace epi::kernels
