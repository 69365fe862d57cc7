// Which numbers of ranks a step can be shared over, in micro-batches of how many windows.
#include "train/rank_share.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"

namespace epi::train {
namespace {

RunConfig config_of(std::int64_t global_batch, std::int64_t micro_batch, bool reproducible) {
  RunConfig config;
  config.train.global_batch = global_batch;
  config.train.micro_batch = micro_batch;
  config.train.reproducible = reproducible;
  return config;
}

void expect_refused(const RunConfig& config, int ranks, const std::string& words) {
  try {
    (void)shared_over(config, ranks);
    FAIL() << ranks << " ranks were taken";
  } catch (const core::ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(SharedOver_anyDivisorOfTheBatch_keepsMicroBatchesOrTakesTheLargestThatDivides, byHand) {
  const RunConfig config = config_of(24, 8, false);
  const auto micro_batch = [&](int ranks) { return shared_over(config, ranks).train.micro_batch; };
  EXPECT_EQ(micro_batch(1), 8);
  EXPECT_EQ(micro_batch(3), 8);
  EXPECT_EQ(micro_batch(2), 4) << "12 windows each";
  EXPECT_EQ(micro_batch(4), 2) << "6 windows each";
  EXPECT_EQ(micro_batch(8), 1) << "3 windows each";
  EXPECT_EQ(micro_batch(24), 1);
  EXPECT_EQ(shared_over(config, 8).train.global_batch, 24);
}

TEST(SharedOver_ranksThatDoNotDivide_areRefused, withThoseThatDo) {
  expect_refused(config_of(12, 2, false), 5, "use 1, 2, 3, 4, 6 or 12 ranks");
  expect_refused(config_of(12, 2, true), 5, "use 1, 2, 3, 4, 6 or 12 ranks");
}

TEST(SharedOver_reproducible_takesPowersOfTwoThatLeaveWholeSubtrees, andSaysWhich) {
  const RunConfig config = config_of(24, 2, true);  // 12 micro-batches: four groups of three
  for (const int ranks : {1, 2, 4}) EXPECT_EQ(shared_over(config, ranks).train.micro_batch, 2);
  expect_refused(config, 3, "runs on 1, 2 or 4 ranks");
  expect_refused(config, 8, "runs on 1, 2 or 4 ranks");
  expect_refused(config_of(6, 2, true), 2, "runs on 1 ranks");
}

TEST(SharedOver_reproducible_refusesGradientsInBf16, onOneRankToo) {
  RunConfig config = config_of(8, 2, true);
  config.train.exchange_precision = core::DType::bf16;
  expect_refused(config, 1, "exchange_precision");
  config.train.reproducible = false;
  EXPECT_EQ(shared_over(config, 2).train.micro_batch, 2);
}

}  // namespace
}  // namespace epi::train
