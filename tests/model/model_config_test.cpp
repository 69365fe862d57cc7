// Presets, the checks of sizes, and the count of FLOPs.
#include "model/model_config.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "core/error.hpp"

namespace epi::model {
namespace {

std::string refusal(const std::function<void(ModelConfig&)>& spoil) {
  ModelConfig config = preset("tiny");
  spoil(config);
  try {
    config.check();
  } catch (const core::ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Preset, sizes_are_as_documented) {
  const ModelConfig large = preset("large");
  EXPECT_EQ(large.layers, 24);
  EXPECT_EQ(large.hidden, 1024);
  EXPECT_EQ(large.heads, 16);
  EXPECT_EQ(large.intermediate, 4096);
  for (const char* name : {"tiny", "small", "base", "large"}) {
    EXPECT_NO_THROW(preset(name).check()) << name;
    EXPECT_EQ(preset(name).dropout, 0.0F) << name;
  }
}

TEST(Preset, unknown_name_lists_the_known_ones) {
  try {
    (void)preset("huge");
    FAIL() << "accepted";
  } catch (const core::ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("tiny, small, base, large"), std::string::npos);
  }
}

TEST(ModelConfig, check_names_the_wrong_size) {
  const auto contains = [](const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
  };
  EXPECT_TRUE(contains(refusal([](auto& c) { c.layers = 0; }), "layers is 0"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.hidden = 100; }), "hidden is 100"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.heads = 3; }), "heads is 3"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.intermediate = 0; }), "intermediate is 0"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.positions = 0; }), "positions is 0"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.vocabulary = 5; }), "vocabulary is 5"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.num_states = 255; }), "num_states is 255"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.activation = kernels::Activation::tanh; }), "gelu"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.dropout = 1.0F; }), "dropout is 1"));
  EXPECT_TRUE(contains(
      refusal([](auto& c) { c.dropout = std::numeric_limits<float>::quiet_NaN(); }), "dropout"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.epsilon = 0.0F; }), "epsilon is 0"));
  EXPECT_TRUE(contains(refusal([](auto& c) { c.initial_deviation = -1.0F; }), "deviation is -1"));
}

/// GFLOP per token at 512 tokens with 15 % targets.
double gflop(const char* name, std::int32_t vocabulary) {
  ModelConfig config = preset(name);
  config.vocabulary = vocabulary;
  return flops_per_token(config, {.batch = 1, .tokens = 512, .dna_slots = 77}) * 1e-9;
}

TEST(FlopsPerToken, equals_published_figures_of_bert) {
  // Figures that reproduce DeepSpeed's and llm.c's own counts: 0.588 and 1.992 GFLOP a token.
  EXPECT_NEAR(gflop("base", 30522), 0.588, 0.001);
  EXPECT_NEAR(gflop("large", 30522), 1.992, 0.002);
  EXPECT_NEAR(gflop("base", 4101), 0.570, 0.001);
}

TEST(FlopsPerToken, counts_heads_by_their_slots) {
  ModelConfig config = preset("tiny");  // 2 layers of 128, intermediate 512
  config.vocabulary = 69;
  config.num_states = 25;
  const double body = 6.0 * 2 * (4 * 128 * 128 + 2 * 128 * 512) + 12.0 * 2 * 128 * 64;
  const BatchShape dna{.batch = 3, .tokens = 64, .dna_slots = 8};
  EXPECT_DOUBLE_EQ(flops_per_token(config, dna), body + 6.0 / 8 * (128 * 128 + 128 * 69));
  const BatchShape states{.batch = 3, .tokens = 64, .state_slots = 16};
  EXPECT_DOUBLE_EQ(flops_per_token(config, states), body + 6.0 / 4 * (128 * 128 + 128 * 25));
}

}  // namespace
}  // namespace epi::model
