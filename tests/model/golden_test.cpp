// The model against Hugging Face transformers in float64: hidden states, logits, loss and every
// parameter's gradient of a tiny BertForMaskedLM, for both forms of GELU.
#include "model/masked_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>

#include "model/safetensors_reader.hpp"
#include "reference/expect_close.hpp"

namespace epi::model::testing {
namespace {

constexpr std::int64_t kSlots = 12;   // 3 windows of 4
constexpr std::int64_t kTargets = 8;  // of which used
constexpr reference::Tolerance kTolerance{.relative = 1e-5};

struct Case {
  const char* file;
  kernels::Activation activation;
};

ModelConfig golden_config(kernels::Activation activation) {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 32;
  config.heads = 2;
  config.intermediate = 48;
  config.positions = 23;
  config.vocabulary = 69;
  config.num_states = 5;
  config.activation = activation;
  config.epsilon = 0.01F;
  return config;
}

template <class T>
void assign(const core::View& to, const GoldenTensor& from) {
  ASSERT_EQ(to.size(), static_cast<std::int64_t>(from.values.size()));
  std::transform(from.values.begin(), from.values.end(), to.as<T>(),
                 [](double value) { return static_cast<T>(value); });
}

class Golden : public ::testing::TestWithParam<Case> {
 protected:
  Golden()
      : file_(read_golden(std::string(EPI_SOURCE_DIR) + "/tests/golden/" + GetParam().file)),
        ops_(kernels::make_cpu_ops(2)),
        model_(golden_config(GetParam().activation), shape_, *ops_),
        parameters_(core::DType::f32, {model_.table().block_size()}),
        gradients_(core::DType::f32, {model_.table().block_size()}) {
    assign<std::int32_t>(batch_.token_ids, file_.at("input.token_ids"));
    assign<std::int32_t>(batch_.type_ids, file_.at("input.type_ids"));
    assign<std::int32_t>(batch_.dna_rows, file_.at("input.dna_rows"));
    assign<std::int32_t>(batch_.dna_labels, file_.at("input.dna_labels"));
    assign<float>(batch_.dna_weights, file_.at("input.dna_weights"));
    for (const Parameter& p : model_.table().parameters()) {
      const auto found = file_.find("weight." + p.name);
      if (found != file_.end()) {
        assign<float>(parameters_.view().slice(p.offset, p.size), found->second);
      }
    }
    state_.loss_scale[0] = 1.0F / kTargets;
  }

  void forward() {
    model_.forward(batch_, parameters_, &state_, false,
                   {.dna_totals = totals_, .dna_row_loss = row_loss_}, {}, stream_);
  }

  /// -log p(v) at every used slot, [kTargets, V]: a loss for each label in turn.
  std::vector<double> all_losses() {
    const std::int32_t vocabulary = model_.config().vocabulary;
    std::vector<double> losses(static_cast<std::size_t>(kTargets * vocabulary));
    for (std::int32_t v = 0; v < vocabulary; ++v) {
      std::fill_n(batch_.dna_labels.as<std::int32_t>(), kSlots, v);
      forward();
      std::size_t row = 0;
      for (std::int64_t slot = 0; slot < kSlots; ++slot) {
        if (batch_.dna_weights.as<float>()[slot] == 0.0F) continue;
        losses[row++ * static_cast<std::size_t>(vocabulary) + static_cast<std::size_t>(v)] =
            static_cast<double>(row_loss_.as<float>()[slot]);
      }
    }
    return losses;
  }

  std::span<const float> gradient(const Parameter& p) const {
    return {gradients_.as<float>() + p.offset, static_cast<std::size_t>(p.size)};
  }

  GoldenFile file_;
  BatchShape shape_{.batch = 3, .tokens = 19, .dna_slots = 4, .state_slots = 0};
  std::unique_ptr<kernels::Ops> ops_;
  MaskedModel model_;
  Batch batch_{shape_, core::kCpu};
  core::Tensor parameters_, gradients_;
  core::Tensor totals_{core::DType::f64, {3}};
  core::Tensor row_loss_{core::DType::f32, {kSlots}};
  kernels::StepState state_;
  core::Stream stream_{core::kCpu};
};

/// Each row minus its mean: logits up to what softmax does not see.
std::vector<double> centred(std::vector<double> rows, std::size_t columns) {
  for (std::size_t first = 0; first < rows.size(); first += columns) {
    const std::span<double> row(rows.data() + first, columns);
    double mean = 0.0;
    for (const double value : row) mean += value / static_cast<double>(columns);
    for (double& value : row) value -= mean;
  }
  return rows;
}

TEST_P(Golden, names_and_shapes_are_those_of_transformers) {
  std::size_t ours = 0;
  for (const Parameter& p : model_.table().parameters()) {
    if (p.name.starts_with("state_head.")) continue;
    ++ours;
    ASSERT_TRUE(file_.contains("weight." + p.name)) << p.name;
    EXPECT_EQ(p.shape, file_.at("weight." + p.name).shape) << p.name;
  }
  const auto theirs = std::count_if(file_.begin(), file_.end(), [](const auto& entry) {
    return entry.first.starts_with("weight.");
  });
  EXPECT_EQ(ours, static_cast<std::size_t>(theirs));
}

TEST_P(Golden, forward_equals_transformers) {
  forward();
  reference::expect_close(model_.hidden(), file_.at("output.hidden").values, kTolerance, "hidden");
  const double* totals = totals_.as<double>();
  reference::expect_close(std::vector<double>{totals[0] / totals[1]},
                          file_.at("output.loss").values, kTolerance, "loss");
  EXPECT_EQ(totals[1], static_cast<double>(kTargets));

  const auto vocabulary = static_cast<std::size_t>(model_.config().vocabulary);
  std::vector<double> logits = all_losses();
  for (double& value : logits) value = -value;
  reference::expect_close(centred(logits, vocabulary),
                          centred(file_.at("output.logits").values, vocabulary), kTolerance,
                          "logits");
}

TEST_P(Golden, gradients_equal_transformers) {
  forward();
  model_.backward(batch_, parameters_, &state_, gradients_, {}, stream_);
  for (const Parameter& p : model_.table().parameters()) {
    if (p.name.starts_with("state_head.")) continue;
    const std::vector<double>& expected = file_.at("gradient." + p.name).values;
    reference::Tolerance tolerance = kTolerance;
    if (p.name.ends_with("key.bias")) {
      // Exactly 0 in theory: it is measured against the other thirds of its packed bias.
      const std::string layer = p.name.substr(0, p.name.size() - std::string("key.bias").size());
      for (const double value : file_.at("gradient." + layer + "query.bias").values) {
        tolerance.absolute = std::max(tolerance.absolute, 1e-5 * std::abs(value));
      }
    }
    reference::expect_close(gradient(p), expected, tolerance, p.name);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Transformers, Golden,
    ::testing::Values(Case{"bert_tiny_gelu.safetensors", kernels::Activation::gelu},
                      Case{"bert_tiny_gelu_tanh.safetensors", kernels::Activation::gelu_tanh}),
    [](const auto& test) {
      return test.param.activation == kernels::Activation::gelu ? "gelu" : "gelu_tanh";
    });

}  // namespace
}  // namespace epi::model::testing
