// Gradients of the whole model, both heads and dropout included, against finite differences of its
// own loss. Dropout's draws depend on counters only, so the loss is a smooth function of weights.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "model/model_run.hpp"

namespace epi::model::testing {
namespace {

ModelConfig small_config(kernels::Activation activation, float dropout) {
  ModelConfig config;
  config.layers = 2;
  config.hidden = 16;
  config.heads = 2;
  config.intermediate = 24;
  config.positions = 13;
  config.vocabulary = 21;
  config.num_states = 3;
  config.activation = activation;
  config.dropout = dropout;
  return config;
}

constexpr BatchShape kBoth{.batch = 2, .tokens = 11, .dna_slots = 4, .state_slots = 3};

/// Weights of one parameter, shifted along a direction of length 1 and put back.
class Shift {
 public:
  Shift(ModelRun& run, const Parameter& parameter, std::vector<double> direction)
      : run_(run),
        first_(run.parameters.as<float>() + parameter.offset),
        direction_(std::move(direction)),
        saved_(first_, first_ + parameter.size) {
    double squares = 0.0;
    for (const double value : direction_) squares += value * value;
    for (double& value : direction_) value /= std::sqrt(squares);
  }

  double loss_at(double step) {
    for (std::size_t i = 0; i < saved_.size(); ++i) {
      first_[i] = static_cast<float>(static_cast<double>(saved_[i]) + step * direction_[i]);
    }
    const double loss = run_.loss(true);
    std::copy(saved_.begin(), saved_.end(), first_);
    return loss;
  }

  /// Fourth-order central difference: error step^4, so the step can stay far above f32 rounding.
  double derivative() {
    constexpr double kStep = 0.02;
    return (8.0 * (loss_at(kStep) - loss_at(-kStep)) - (loss_at(2 * kStep) - loss_at(-2 * kStep))) /
           (12.0 * kStep);
  }

  [[nodiscard]] double along(const std::vector<double>& gradient) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < gradient.size(); ++i) sum += gradient[i] * direction_[i];
    return sum;
  }

 private:
  ModelRun& run_;
  float* first_;
  std::vector<double> direction_;
  std::vector<float> saved_;
};

/// Along the gradient (is it long enough?) and along random signs (is anything missing?).
void check_gradients(ModelRun& run) {
  run.fill_weights(0.4F);
  run.forward(true);
  run.backward();
  std::uint32_t which = 1000;
  for (const Parameter& p : run.model.table().parameters()) {
    const float* first = run.gradients.as<float>() + p.offset;
    const std::vector<double> gradient(first, first + p.size);
    std::vector<double> signs;
    double norm = 0.0;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      signs.push_back(random_word(which, i) % 2 == 0 ? 1.0 : -1.0);
      norm += gradient[i] * gradient[i];
    }
    ++which;
    norm = std::sqrt(norm);
    for (const auto& direction : {gradient, signs}) {
      Shift shift(run, p, direction);
      // 1e-4: rounding of an f32 forward over the step; a random direction sees norm / sqrt(size).
      const double scale = norm / std::sqrt(static_cast<double>(p.size));
      EXPECT_NEAR(shift.derivative(), shift.along(gradient), 1e-4 + 0.01 * scale) << p.name;
    }
  }
}

TEST(MaskedModelGradient, both_heads_without_dropout_equals_differences) {
  ModelRun run(small_config(kernels::Activation::gelu_tanh, 0.0F), kBoth);
  check_gradients(run);
}

TEST(MaskedModelGradient, dropout_equals_differences) {
  ModelRun run(small_config(kernels::Activation::gelu_tanh, 0.2F), kBoth);
  check_gradients(run);
}

TEST(MaskedModelGradient, exact_gelu_with_dropout_equals_differences) {
  ModelRun run(small_config(kernels::Activation::gelu, 0.2F), kBoth);
  check_gradients(run);
}

TEST(MaskedModelGradient, states_alone_equals_differences_and_leaves_dna_head_zero) {
  const BatchShape shape{.batch = 2, .tokens = 11, .dna_slots = 0, .state_slots = 4};
  ModelRun run(small_config(kernels::Activation::gelu_tanh, 0.0F), shape);
  // The DNA head has a gradient of 0 and no direction of its own to follow: random signs only.
  run.fill_weights(0.4F);
  run.forward(true);
  run.backward();
  for (const Parameter& p : run.model.table().parameters()) {
    const float* first = run.gradients.as<float>() + p.offset;
    const std::vector<double> gradient(first, first + p.size);
    std::vector<double> signs;
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      signs.push_back(random_word(7, i) % 2 == 0 ? 1.0 : -1.0);
    }
    Shift shift(run, p, signs);
    EXPECT_NEAR(shift.derivative(), shift.along(gradient), 5e-4) << p.name;
    if (p.name.starts_with("cls.")) {
      for (const double value : gradient) ASSERT_EQ(value, 0.0) << p.name;
    }
  }
}

}  // namespace
}  // namespace epi::model::testing
