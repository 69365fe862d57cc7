// How a model is computed changes no mathematics: recomputation gives the same bits, bf16 the same
// gradient within what its rounding must cost.
#include "model/execution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "model/model_run.hpp"

namespace epi::model::testing {
namespace {

ModelConfig config_of(kernels::Activation activation, float dropout) {
  ModelConfig config;
  config.layers = 3;
  config.hidden = 64;
  config.heads = 2;
  config.intermediate = 256;
  config.positions = 80;
  config.vocabulary = 69;
  config.num_states = 5;
  config.activation = activation;
  config.dropout = dropout;
  return config;
}

constexpr BatchShape kShape{.batch = 2, .tokens = 71, .dna_slots = 12, .state_slots = 9};
constexpr auto kTanh = kernels::Activation::gelu_tanh;

struct Outcome {
  Losses losses;
  std::vector<float> gradients;
  std::size_t bytes = 0;
};

/// Two steps, so that what the first leaves behind can harm the second.
Outcome outcome_of(const ModelConfig& config, const Execution& execution, int threads = 1) {
  ModelRun run(config, kShape, threads, execution);
  initialise(run.model.table(), 3, 0.05F, run.parameters);
  run.forward(true);
  run.backward();
  run.state.first_slot += 2;
  Outcome outcome;
  outcome.losses = run.forward(true);
  run.backward();
  const float* first = run.gradients.as<float>();
  outcome.gradients.assign(first, first + run.gradients.view().size());
  outcome.bytes = run.model.activation_bytes();
  return outcome;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

bool takes_bf16() {
  return kernels::make_cpu_ops(1)->takes(core::DType::bf16);
}

void expect_recomputation_changes_nothing(core::DType type) {
  for (const auto activation : {kTanh, kernels::Activation::gelu}) {
    const ModelConfig config = config_of(activation, 0.2F);
    const Outcome kept = outcome_of(config, {.activations = type});
    const Outcome again =
        outcome_of(config, {.activations = type, .recompute = Recompute::layer}, 2);
    EXPECT_TRUE(same_bits(kept.gradients, again.gradients));
    EXPECT_EQ(kept.losses.dna, again.losses.dna);
    EXPECT_EQ(kept.losses.state, again.losses.state);
    EXPECT_LT(again.bytes, kept.bytes);
  }
}

TEST(ModelRecompute, layers_with_dropout_give_the_same_bits) {
  expect_recomputation_changes_nothing(core::DType::f32);
}

TEST(ModelRecompute, layers_in_bf16_give_the_same_bits) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  expect_recomputation_changes_nothing(core::DType::bf16);
}

// Per layer and token: kept are 7 H + I elements and A + 4 statistics; recomputation shares one
// such set, and each layer keeps its output of H either way.
TEST(ModelRecompute, memory_is_that_of_one_layer) {
  const ModelConfig config = config_of(kTanh, 0.0F);
  const std::size_t tokens = 2 * 71;
  const std::size_t set = tokens * 4 * (7 * 64 + 256 + 2 + 4);
  const Outcome kept = outcome_of(config, {});
  const Outcome again = outcome_of(config, {.recompute = Recompute::layer});
  EXPECT_NEAR(static_cast<double>(kept.bytes - again.bytes), 2.0 * static_cast<double>(set),
              2 * 12 * 64);  // tensors begin on whole cache lines
}

/// As outcome_of, with activations in the block of gradients, which starts as NaN: whatever
/// backward writes before it has read would show.
Outcome borrowed_outcome_of(const ModelConfig& config, const Execution& execution) {
  ModelRun run(config, kShape, 1, execution);
  initialise(run.model.table(), 3, 0.05F, run.parameters);
  float* first = run.gradients.as<float>();
  std::fill_n(first, run.gradients.view().size(), std::numeric_limits<float>::quiet_NaN());
  run.model.borrow(run.gradients);
  const auto backward = [&] {
    run.model.backward(run.batch, run.parameters, &run.state, run.gradients, {}, run.stream);
  };
  run.forward(true);
  backward();
  run.state.first_slot += 2;
  Outcome outcome;
  outcome.losses = run.forward(true);
  backward();
  outcome.gradients.assign(first, first + run.gradients.view().size());
  outcome.bytes = run.model.activation_bytes();
  return outcome;
}

TEST(ModelBorrow, activations_among_the_gradients_give_the_same_bits_in_less_memory) {
  const ModelConfig config = config_of(kTanh, 0.2F);
  for (const core::DType type : {core::DType::f32, core::DType::bf16}) {
    if (type == core::DType::bf16 && !takes_bf16()) continue;
    for (const Recompute recompute : {Recompute::none, Recompute::layer}) {
      const Execution execution{.activations = type, .recompute = recompute};
      const Outcome own = outcome_of(config, execution);
      const Outcome borrowed = borrowed_outcome_of(config, execution);
      EXPECT_TRUE(same_bits(own.gradients, borrowed.gradients));
      EXPECT_EQ(own.losses.dna, borrowed.losses.dna);
      EXPECT_LT(borrowed.bytes, own.bytes);
    }
  }
}

TEST(ModelBorrow, another_block_or_too_late_is_a_broken_promise) {
  ModelRun run(config_of(kTanh, 0.0F), kShape);
  run.model.borrow(run.gradients);
  run.forward(true);
  EXPECT_THROW(run.model.borrow(run.gradients), core::LogicError);
  const core::Tensor other(core::DType::f32, {run.gradients.view().size()});
  EXPECT_THROW(run.model.backward(run.batch, run.parameters, &run.state, other, {}, run.stream),
               core::LogicError);
}

// 250 is no multiple of 16: the bias of the layer is padded, and padding is zeroed too early.
TEST(ModelBorrow, padding_among_the_layers_keeps_activations_apart) {
  ModelConfig config = config_of(kTanh, 0.0F);
  config.intermediate = 250;
  const Outcome own = outcome_of(config, {});
  const Outcome borrowed = borrowed_outcome_of(config, {});
  EXPECT_TRUE(same_bits(own.gradients, borrowed.gradients));
  EXPECT_EQ(borrowed.bytes, own.bytes);
}

/// |a - b| / |b| and the cosine of the angle between a and b, over the whole block.
std::pair<double, double> compare(const std::vector<float>& a, const std::vector<float>& b) {
  double aa = 0.0, bb = 0.0, ab = 0.0, difference = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = static_cast<double>(a[i]);
    const double y = static_cast<double>(b[i]);
    aa += x * x;
    bb += y * y;
    ab += x * y;
    difference += (x - y) * (x - y);
  }
  return {std::sqrt(difference / bb), ab / std::sqrt(aa * bb)};
}

// One rounding to bf16 is a relative error of at most 2^-8 = 0.4 %, 0.17 % in the mean square of
// uniform mantissas. A gradient passes about fifteen roundings a layer on its way forward and back;
// as independent errors, those of three layers add to 0.17 % * sqrt(45) = 1.1 %. The bound is twice
// that.
TEST(ModelPrecision, bf16_gradient_is_that_of_fp32_but_for_rounding) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  for (const float dropout : {0.0F, 0.1F}) {
    for (const auto activation : {kTanh, kernels::Activation::gelu}) {
      const ModelConfig config = config_of(activation, dropout);
      const Outcome full = outcome_of(config, {});
      const Outcome half = outcome_of(config, {.activations = core::DType::bf16});
      const auto [error, cosine] = compare(half.gradients, full.gradients);
      EXPECT_LT(error, 0.022);
      EXPECT_GT(error, 0.001);  // it did round
      EXPECT_GT(cosine, 0.999);
      EXPECT_NEAR(half.losses.dna[0] / full.losses.dna[0], 1.0, 0.003);
      EXPECT_NEAR(half.losses.state[0] / full.losses.state[0], 1.0, 0.003);
    }
  }
}

TEST(ModelPrecision, bf16_has_the_same_bits_at_any_number_of_threads) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  const ModelConfig config = config_of(kTanh, 0.1F);
  const Execution half{.activations = core::DType::bf16};
  const Outcome one = outcome_of(config, half, 1);
  for (const int threads : {2, 3}) {
    EXPECT_TRUE(same_bits(outcome_of(config, half, threads).gradients, one.gradients)) << threads;
  }
}

TEST(ModelPrecision, bf16_halves_activations) {
  if (!takes_bf16()) GTEST_SKIP() << "this processor has no AVX512-BF16";
  const ModelConfig config = config_of(kTanh, 0.1F);
  const ModelRun full(config, kShape);
  const ModelRun half(config, kShape, 1, {.activations = core::DType::bf16});
  const auto ratio = static_cast<double>(half.model.activation_bytes()) /
                     static_cast<double>(full.model.activation_bytes());
  EXPECT_NEAR(ratio, 0.5, 0.02);  // statistics stay f32
  EXPECT_EQ(half.model.hidden().dtype(), core::DType::bf16);
}

TEST(ModelPrecision, types_that_ops_do_not_take_are_a_broken_promise) {
  const auto ops = kernels::make_cpu_ops(1);
  EXPECT_THROW(MaskedModel(config_of(kTanh, 0.0F), kShape, *ops, {.activations = core::DType::f64}),
               core::LogicError);
}

}  // namespace
}  // namespace epi::model::testing
