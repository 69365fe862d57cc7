// The parameter table and the initial values.
#include "model/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "model/masked_model.hpp"

namespace epi::model {
namespace {

ParameterTable small_table() {
  ParameterTable table;
  table.add("bias", {5}, false, Initial::zeros);
  table.add("gamma", {16}, false, Initial::ones);
  table.add("matrix", {3, 7}, true, Initial::normal);
  return table;
}

std::vector<float> initial_values(const ParameterTable& table, std::uint64_t seed) {
  const core::Tensor block(core::DType::f32, {table.block_size()});
  std::fill_n(block.as<float>(), table.block_size(), 9.0F);
  initialise(table, seed, 0.02F, block);
  return {block.as<float>(), block.as<float>() + table.block_size()};
}

TEST(ParameterTable, add_aligns_to_16_elements) {
  const ParameterTable table = small_table();
  EXPECT_EQ(table.find("bias").offset, 0);
  EXPECT_EQ(table.find("gamma").offset, 16);
  EXPECT_EQ(table.find("matrix").offset, 32);
  EXPECT_EQ(table.block_size(), 64);
  EXPECT_EQ(table.num_parameters(), 5 + 16 + 21);
  EXPECT_EQ(table.at(2).size, 21);
  EXPECT_EQ(table.at(2).shape, (std::vector<std::int64_t>{3, 7}));
}

TEST(ParameterTable, slices_carry_decay) {
  const std::vector<kernels::ParameterSlice> slices = small_table().slices();
  ASSERT_EQ(slices.size(), 3U);
  EXPECT_FALSE(slices[0].decay);
  EXPECT_FALSE(slices[1].decay);
  EXPECT_TRUE(slices[2].decay);
  EXPECT_EQ(slices[2].offset, 32);
  EXPECT_EQ(slices[2].size, 21);
}

TEST(ParameterTable, broken_promises_are_refused) {
  ParameterTable table = small_table();
  EXPECT_THROW(table.add("bias", {5}, false, Initial::zeros), core::LogicError);
  EXPECT_THROW(table.add("empty", {0}, false, Initial::zeros), core::LogicError);
  EXPECT_THROW(table.add("cube", {2, 2, 2}, true, Initial::normal), core::LogicError);
  EXPECT_THROW((void)table.find("absent"), core::LogicError);
  EXPECT_THROW((void)table.at(3), core::LogicError);
  EXPECT_THROW((void)table.at(-1), core::LogicError);
}

TEST(Initialise, fills_by_kind_and_zeroes_padding) {
  const std::vector<float> values = initial_values(small_table(), 7);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(values[static_cast<std::size_t>(i)], 0.0F);
  for (std::size_t i = 16; i < 32; ++i) EXPECT_EQ(values[i], 1.0F);
  for (std::size_t i = 32 + 21; i < 64; ++i) EXPECT_EQ(values[i], 0.0F);
}

TEST(Initialise, values_are_those_of_an_independent_quantile) {
  // Python: Philox from the paper's text, statistics.NormalDist().inv_cdf(0.02275 + u * 0.9545).
  const std::vector<double> expected = {0.0005353070993447495, 0.036438102164568754,
                                        -0.0014894639652806374, -0.029046484136870332,
                                        -0.003607456745485057};
  const std::vector<float> values = initial_values(small_table(), 7);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(values[32 + i]), expected[i], 4e-9);  // f32 rounding
  }
}

TEST(Initialise, distribution_is_a_normal_cut_at_two_sigma) {
  ParameterTable table;
  table.add("matrix", {400, 500}, true, Initial::normal);
  const std::vector<float> values = initial_values(table, 1);
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
    ASSERT_LE(std::abs(value), 0.04F);
  }
  const auto n = static_cast<double>(values.size());
  EXPECT_NEAR(sum / n, 0.0, 2e-4);  // 5 standard errors
  // A normal cut at two sigma keeps sqrt(1 - 4 phi(2) / 0.9545) = 0.8796 of its deviation.
  EXPECT_NEAR(std::sqrt(squares / n), 0.02 * 0.87963, 2e-4);
}

TEST(Initialise, depends_on_the_seed_alone) {
  EXPECT_EQ(initial_values(small_table(), 7), initial_values(small_table(), 7));
  EXPECT_NE(initial_values(small_table(), 7), initial_values(small_table(), 8));
  EXPECT_NE(initial_values(small_table(), 7), initial_values(small_table(), 7 + (1ULL << 32U)));
}

TEST(MaskedModelTable, bert_base_has_its_known_number_of_parameters) {
  // bert-base-uncased as BertForMaskedLM has 109,514,298 (transformers' num_parameters()).
  ModelConfig config = preset("base");
  config.vocabulary = 30522;
  const auto ops = kernels::make_cpu_ops(1);
  const MaskedModel model(config, {.batch = 1, .tokens = 8, .dna_slots = 1}, *ops);
  EXPECT_EQ(model.table().num_parameters(), 109'514'298);
}

TEST(MaskedModelTable, packs_queries_keys_and_values) {
  ModelConfig config = preset("tiny");
  config.num_states = 5;
  const auto ops = kernels::make_cpu_ops(1);
  const MaskedModel model(config, {.batch = 1, .tokens = 8, .dna_slots = 1}, *ops);
  const std::string self = "bert.encoder.layer.1.attention.self.";
  const auto offset = [&](const std::string& name) {
    return model.table().find(self + name).offset;
  };
  EXPECT_EQ(offset("key.weight") - offset("query.weight"), 128 * 128);
  EXPECT_EQ(offset("value.weight") - offset("key.weight"), 128 * 128);
  EXPECT_EQ(offset("key.bias") - offset("query.bias"), 128);
  EXPECT_EQ(offset("value.bias") - offset("key.bias"), 128);
}

TEST(MaskedModelTable, vectors_do_not_decay_and_matrices_do) {
  ModelConfig config = preset("tiny");
  config.num_states = 5;
  const auto ops = kernels::make_cpu_ops(1);
  const MaskedModel model(config, {.batch = 1, .tokens = 8, .dna_slots = 1}, *ops);
  for (const Parameter& p : model.table().parameters()) {
    const bool is_bias_or_norm =
        p.name.ends_with("bias") || p.name.find("LayerNorm") != std::string::npos;
    EXPECT_EQ(p.decay, !is_bias_or_norm) << p.name;
    EXPECT_EQ(p.offset % 16, 0) << p.name;
  }
}

TEST(Initialise, sinusoid_startsWithWavesOfTheDeviation) {
  ParameterTable table;
  table.add("positions", {3, 16}, true, Initial::sinusoid);
  const core::Tensor block(core::DType::f32, {table.block_size()});
  initialise(table, 1, 0.02F, block);
  const auto* values = block.as<float>();
  const double amplitude = 0.02 * std::sqrt(2.0);
  EXPECT_EQ(values[0], 0.0F);
  EXPECT_NEAR(values[1], amplitude, 1e-8);
  EXPECT_NEAR(values[32], amplitude * std::sin(2.0), 1e-8);
  EXPECT_NEAR(values[2 * 16 + 3], amplitude * std::cos(2.0 / std::pow(10000.0, 2.0 / 16.0)), 1e-8);
  double squares = 0.0;
  for (int i = 0; i < 48; ++i) squares += static_cast<double>(values[i]) * values[i];
  EXPECT_NEAR(std::sqrt(squares / 48), 0.02, 1e-8);
}

TEST(Initialise, kmersThatShareBases_haveVectorsThatAreAlike) {
  ParameterTable table;
  constexpr std::int64_t kColumns = 512;
  table.add("words", {5 + 64, kColumns}, true, Initial::kmers);
  const core::Tensor block(core::DType::f32, {table.block_size()});
  initialise(table, 1, 0.02F, block);
  const auto likeness = [&](std::int64_t a, std::int64_t b) {
    double dot = 0.0;
    for (std::int64_t c = 0; c < kColumns; ++c) {
      dot += static_cast<double>(block.as<float>()[a * kColumns + c]) *
             static_cast<double>(block.as<float>()[b * kColumns + c]);
    }
    return dot / (kColumns * 0.0176 * 0.0176);  // truncated at two sigma: 0.88 of the deviation
  };
  // AAA, AAC, CGT: of the variance one half is the bases', a third of that each base's.
  EXPECT_NEAR(likeness(5, 5), 1.0, 0.2);
  EXPECT_NEAR(likeness(5, 6), 1.0 / 3.0, 0.2);
  EXPECT_NEAR(likeness(5, 5 + 16 + 8 + 3), 0.0, 0.2);
  EXPECT_NEAR(likeness(0, 0), 1.0, 0.2) << "special tokens are as any row";
  EXPECT_NEAR(likeness(0, 5), 0.0, 0.2);
}

}  // namespace
}  // namespace epi::model
