// What ops cost, by hand arithmetic, and that a profile sees each call of a watched back end.
#include "kernels/profile.hpp"

#include <gtest/gtest.h>

#include "core/buffer.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/peak.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels {
namespace {

using core::DType;
using core::Tensor;

TEST(OpCost_linear, countsAMultiplicationAndAnAdditionPerWeightAndRow) {
  const Tensor x(DType::bf16, {5, 3}), w(DType::f32, {7, 3}), b(DType::f32, {7});
  const Tensor y(DType::bf16, {5, 7});
  const OpCost c = cost(LinearArgs{.x = x, .w = w, .b = b, .y = y});
  EXPECT_EQ(c.flops, 210.0);                               // 2 * 5 * 7 * 3
  EXPECT_EQ(c.read_bytes, 2.0 * 15 + 4.0 * 21 + 4.0 * 7);  // weights stay f32
  EXPECT_EQ(c.written_bytes, 70.0);
  EXPECT_EQ(c.type, DType::bf16);
  EXPECT_STREQ(c.formula, "2 M N K");
}

TEST(OpCost_linearGradients, countWhatTheyAddTo) {
  const Tensor dy(DType::f32, {5, 7}), w(DType::f32, {7, 3}), x(DType::f32, {5, 3});
  LinearGradWeightArgs weight{.dy = dy, .x = x, .dw = w};
  EXPECT_EQ(cost(weight).flops, 210.0);
  EXPECT_EQ(cost(weight).bytes(), 4.0 * (35 + 15 + 21));
  weight.write = Write::add;
  EXPECT_EQ(cost(weight).bytes(), 4.0 * (35 + 15 + 2 * 21));
  EXPECT_EQ(cost(LinearGradInputArgs{.dy = dy, .w = w, .dx = x}).flops, 210.0);
}

TEST(OpCost_attend, isTwoProductsForwardAndFourBackward) {
  const Tensor qkv(DType::f32, {2, 8, 12}), out(DType::f32, {2, 8, 4}), lse(DType::f32, {2, 1, 8});
  // Two windows, scores 8 x 8 over a width of 4, then values: 2 * 2 * (2 * 8 * 8 * 4).
  EXPECT_EQ(cost(AttendArgs{.qkv = qkv, .out = out, .lse = lse}).flops, 2048.0);
  EXPECT_EQ(
      cost(AttendGradArgs{.qkv = qkv, .out = out, .lse = lse, .dout = out, .dqkv = qkv}).flops,
      4096.0);
}

TEST(OpCost_embed, readsEachRowOfATableAtMostOnce) {
  const Tensor few(DType::f32, {3, 4}), many(DType::f32, {100, 4}), index(DType::i32, {10});
  const Tensor vector(DType::f32, {4}), out(DType::f32, {1, 10, 4}), stat(DType::f32, {10});
  EmbedArgs args{.gamma = vector, .beta = vector, .out = out, .mean = stat, .rstd = stat};
  args.tables[0] = {few, index};
  args.tables[1] = {many, index};
  // 3 rows of the one, 10 of the other, indices twice, gamma and beta.
  EXPECT_EQ(cost(args).read_bytes, 4.0 * (12 + 40 + 20 + 8));
  EXPECT_EQ(cost(args).written_bytes, 4.0 * (40 + 20));
  EXPECT_EQ(cost(args).flops, 0.0);
}

TEST(OpCost_update, moves28BytesAParameter) {
  const Tensor p(DType::f32, {1000});
  const OpCost c = cost(UpdateArgs{.parameters = p, .gradients = p, .moment1 = p, .moment2 = p});
  EXPECT_EQ(c.bytes(), 28'000.0);
  EXPECT_EQ(c.traffic, Traffic::in_place);
}

TEST(OpCost_update, lambReadsParametersAndMomentsTwice) {
  const Tensor p(DType::f32, {1000}), w(DType::bf16, {1000});
  const OpCost c = cost(UpdateArgs{.optimizer = Optimizer::lamb,
                                   .parameters = p,
                                   .gradients = p,
                                   .moment1 = p,
                                   .moment2 = p,
                                   .weights = w});
  EXPECT_EQ(c.bytes(), 42'000.0);
}

TEST(Profile_watching, addsCallsOfOneShapeAndKeepsOthersApart) {
  const auto ops = make_cpu_ops(1);
  core::Stream stream(core::kCpu);
  const Tensor a(DType::f32, {40}), b(DType::f32, {40}), c(DType::f32, {50}), d(DType::f32, {50});
  Profile profile;
  ops->watch(&profile);
  ops->activate({.x = a, .y = b}, stream);
  ops->activate({.x = a, .y = b}, stream);
  ops->activate({.x = c, .y = d}, stream);
  ops->watch(nullptr);
  ops->activate({.x = c, .y = d}, stream);  // nobody looks
  ASSERT_EQ(profile.entries().size(), 2U);
  EXPECT_STREQ(profile.entries()[0].cost.op, "activate");
  EXPECT_EQ(profile.entries()[0].calls, 2);
  EXPECT_EQ(profile.entries()[0].cost.bytes(), 320.0);
  EXPECT_EQ(profile.entries()[1].calls, 1);
  EXPECT_GT(profile.entries()[0].seconds, 0.0);
  EXPECT_DOUBLE_EQ(profile.seconds(), profile.entries()[0].seconds + profile.entries()[1].seconds);
}

TEST(Peak_ofThisMachine, isPositiveAndBf16IsFasterWhereThereIsAny) {
  const double fp32 = cpu::measure_peak(1);
  const double bf16 = cpu::measure_peak_bf16(1);
  EXPECT_GT(fp32, 1e9);
  if (cpu::has_bf16()) {
    EXPECT_GT(bf16, 1.2 * fp32);
  } else {
    EXPECT_EQ(bf16, 0.0);
  }
}

TEST(MemoryRates_ofASmallSet, areAtLeastThoseOfALargeOne) {
  const cpu::MemoryRates small = cpu::measure_memory(1, std::size_t{1} << 18U);
  const cpu::MemoryRates large = cpu::measure_memory(1, std::size_t{1} << 27U);
  EXPECT_GT(large.read, 1e8);
  EXPECT_GT(large.triad, 1e8);
  EXPECT_GT(large.in_place, 0.8 * large.triad);  // it need not fetch what it overwrites
  EXPECT_GT(small.copy, large.copy);             // caches are faster than memory
}

}  // namespace
}  // namespace epi::kernels
