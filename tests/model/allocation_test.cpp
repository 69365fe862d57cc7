// No allocation of ours inside of a step, and no scratch that grows.
#include <gtest/gtest.h>

#include "kernels/count_allocations.hpp"
#include "model/model_run.hpp"

namespace epi::model::testing {
namespace {

void expect_none_after_the_first(kernels::Activation activation) {
  ModelConfig config = preset("tiny");
  config.vocabulary = 69;
  config.num_states = 5;
  config.dropout = 0.1F;
  config.activation = activation;
  ModelRun run(config, {.batch = 2, .tokens = 40, .dna_slots = 6, .state_slots = 4}, 2);
  run.fill_weights(0.1F);
  run.forward(true);  // the back end makes its primitives for these shapes
  run.backward();
  const std::int64_t before = epi::testing::allocations();
  const std::size_t scratch = run.ops->scratch_bytes();
  EXPECT_GT(before, 0);  // the counter counts
  for (int step = 0; step < 3; ++step) {
    run.forward(true);
    run.backward();
  }
  EXPECT_EQ(epi::testing::allocations(), before);
  EXPECT_EQ(run.ops->scratch_bytes(), scratch);
}

TEST(MaskedModelAllocation, none_in_a_step_after_the_first) {
  expect_none_after_the_first(kernels::Activation::gelu_tanh);
}

TEST(MaskedModelAllocation, none_in_a_step_with_exact_gelu) {
  expect_none_after_the_first(kernels::Activation::gelu);
}

}  // namespace
}  // namespace epi::model::testing
