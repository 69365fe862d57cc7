// Truth: hand arithmetic, published constants of NCCL with the times they give, and links that are
// found again from sums that they were asked for.
#include "dist/cost_model.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace epi::dist {
namespace {

/// 8 GPUs behind NVLink 4 and 8 x 400 Gb/s; NCCL's latencies of its Simple protocol.
Network hopper() {
  return {.name = "hopper",
          .title = "",
          .ranks_per_node = 8,
          .call_s = 8.4e-6,
          .node = {3.4e-6, 370e9},
          .between = {14e-6, 340e9}};
}

TEST(CostModel, oneRank_costsNothing) {
  for (const Allreduce a : kAllreduces) EXPECT_EQ(allreduce_seconds(a, hopper(), 1, 1e9), 0.0);
}

TEST(CostModel, ringInANode_isTheFormulaByHand) {
  // 8.4 us + 14 x 3.4 us + 2 x 7/8 x 178 MB / 370 GB/s = 0.0084 + 0.0476 + 0.84189 ms.
  EXPECT_NEAR(allreduce_seconds(Allreduce::ring, hopper(), 8, 178e6), 0.89789e-3, 1e-8);
}

TEST(CostModel, treeOver32Nodes_isTheFormulaByHand) {
  // 8.4 us + 14 x 3.4 us + 10 x 14 us + 2 x 178 MB / 340 GB/s (the slower link).
  EXPECT_NEAR(allreduce_seconds(Allreduce::tree, hopper(), 256, 178e6), 1.24306e-3, 1e-8);
}

TEST(CostModel, hierarchicalOver4Nodes_isTheFormulaByHand) {
  // In the node as a ring, 0.88949 ms; then 4 hops of 14 us and 2 x 3/4 x 178 MB / 340 GB/s.
  EXPECT_NEAR(allreduce_seconds(Allreduce::hierarchical, hopper(), 32, 178e6),
              8.4e-6 + 0.88949e-3 + 56e-6 + 0.785294e-3, 1e-8);
}

TEST(CostModel, ranksWithANodeEach_haveNoTermsInNodes) {
  for (const Allreduce a : kAllreduces) {
    const ExchangeTerms terms = terms_of(a, 16, 1);
    EXPECT_EQ(terms.node_hops, 0.0);
    EXPECT_EQ(terms.node_bytes, 0.0);
    EXPECT_GT(terms.between_bytes, 0.0);
  }
}

TEST(CostModel, manySmallSums_treeBeatsRing) {
  EXPECT_LT(allreduce_seconds(Allreduce::tree, hopper(), 4096, 1e3),
            0.05 * allreduce_seconds(Allreduce::ring, hopper(), 4096, 1e3));
}

std::vector<ExchangeSample> samples_of(Allreduce algorithm, const Network& network,
                                       const std::vector<int>& ranks) {
  std::vector<ExchangeSample> samples;
  for (const int n : ranks) {
    for (const double bytes : {4e3, 64e3, 1e6, 16e6, 356e6}) {
      samples.push_back(
          {n, network.ranks_per_node, bytes, allreduce_seconds(algorithm, network, n, bytes)});
    }
  }
  return samples;
}

TEST(CostFit, exactSums_giveTheLinksBack) {
  Network truth = hopper();
  truth.call_s = 0.0;
  for (const Allreduce a : kAllreduces) {
    const FittedNetwork fit = fit_network(a, samples_of(a, truth, {2, 4, 8, 16, 32}));
    EXPECT_NEAR(fit.network.node.latency_s, truth.node.latency_s, 1e-9) << name_of(a);
    EXPECT_NEAR(fit.network.node.bytes_per_s, truth.node.bytes_per_s, 1e5) << name_of(a);
    EXPECT_NEAR(fit.network.between.latency_s, truth.between.latency_s, 1e-9) << name_of(a);
    EXPECT_NEAR(fit.network.between.bytes_per_s, truth.between.bytes_per_s, 1e5) << name_of(a);
    EXPECT_LT(fit.error, 1e-6) << name_of(a);
  }
}

TEST(CostFit, sumsOfARing_areTakenForARing) {
  Network truth = hopper();
  truth.call_s = 0.0;
  const auto samples = samples_of(Allreduce::ring, truth, {2, 8, 16, 64});
  EXPECT_EQ(fit_network(samples).algorithm, Allreduce::ring);
}

TEST(CostFit, noise_isMetInTheMean) {
  Network truth = hopper();
  truth.call_s = 0.0;
  auto samples = samples_of(Allreduce::ring, truth, {2, 4, 8});
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i].seconds *= i % 2 == 0 ? 1.05 : 0.95;
  const FittedNetwork fit = fit_network(Allreduce::ring, samples);
  EXPECT_LT(fit.error, 0.06);
  EXPECT_NEAR(fit.network.node.bytes_per_s / truth.node.bytes_per_s, 1.0, 0.06);
}

TEST(CostFit, timesThatFallWithTheBytes_giveNothingNegative) {
  const std::vector<ExchangeSample> odd = {{2, 2, 1e3, 2e-5}, {2, 2, 1e6, 1e-5}};
  const FittedNetwork fit = fit_network(odd);
  EXPECT_GE(fit.network.node.latency_s, 0.0);
  EXPECT_GT(fit.network.node.bytes_per_s, 0.0);
  EXPECT_TRUE(std::isfinite(fit.error));
}

TEST(CostFit, nodesOfOneRank_fitTheNetworkAlone) {
  Network truth = hopper();
  truth.call_s = 0.0;
  truth.ranks_per_node = 1;
  const FittedNetwork fit =
      fit_network(Allreduce::ring, samples_of(Allreduce::ring, truth, {2, 4}));
  EXPECT_NEAR(fit.network.between.bytes_per_s, truth.between.bytes_per_s, 1e5);
  EXPECT_LT(fit.error, 1e-6);
}

TEST(CostFit, oneRankAlone_leavesLinksUnknown) {
  const FittedNetwork fit = fit_network(std::vector<ExchangeSample>{});
  EXPECT_FALSE(fit.network.node.known());
  EXPECT_EQ(fit.error, 0.0);
}

}  // namespace
}  // namespace epi::dist
