// The lines that people read at the end of a run.
#include "train/status.hpp"

#include <gtest/gtest.h>

namespace epi::train {
namespace {

TEST(DescribeCosts_ofARun_namesSpeedMemoryAndParts, inThisOrder) {
  RunResult result;
  result.tokens_per_s = 1234.4;
  result.state_bytes = 3 << 20;
  result.peak_bytes = 55 << 20;
  result.timings.add(Part::forward, 1.5);
  result.timings.add(Part::update, 0.5);
  EXPECT_EQ(describe_costs(result),
            "1234 tokens/s; 3 MiB of tensors per rank, peak resident 55 MiB; forward 1.50 s, "
            "update 0.50 s");
}

TEST(DescribeCosts_ofACompleteRunStartedAgain, leavesOutWhatItDidNot) {
  RunResult result;
  result.state_bytes = 3 << 20;
  result.peak_bytes = 55 << 20;
  EXPECT_EQ(describe_costs(result), "3 MiB of tensors per rank, peak resident 55 MiB");
}

}  // namespace
}  // namespace epi::train
