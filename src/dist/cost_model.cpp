// Predictions of the cost model; cost_fit.cpp turns it round.
#include "dist/cost_model.hpp"

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace epi::dist {
namespace {

/// Steps of a binary tree over n: ceil(log2 n).
double levels(int n) {
  return std::ceil(std::log2(static_cast<double>(n)));
}

/// 2 (n-1) / n: what every rank sends of its vector when each sums a part and hands it round.
double shares(double n) {
  return 2.0 * (n - 1.0) / n;
}

}  // namespace

const char* name_of(Allreduce algorithm) {
  switch (algorithm) {
    case Allreduce::ring:
      return "ring";
    case Allreduce::tree:
      return "tree";
    case Allreduce::hierarchical:
      break;
  }
  return "hierarchical";
}

ExchangeTerms terms_of(Allreduce algorithm, int ranks, int ranks_per_node) {
  core::require(ranks >= 1 && ranks_per_node >= 1, "there are ranks, and places for them");
  if (ranks == 1) return {};
  const int group = std::min(ranks, ranks_per_node);
  const int nodes = (ranks + group - 1) / group;
  const double in_node = 2.0 * (group - 1);
  const double ring_between = nodes > 1 ? 2.0 * (nodes - 1) : 0.0;
  ExchangeTerms terms;
  if (algorithm == Allreduce::ring) {
    // All rings of a node together fill its adapters: what leaves it is what one rank would send.
    terms = {.node_hops = 2.0 * (ranks - 1) - ring_between,
             .node_bytes = shares(ranks),
             .between_hops = ring_between,
             .between_bytes = nodes > 1 ? shares(ranks) : 0.0,
             .pipelined = true};
  } else if (algorithm == Allreduce::tree) {
    terms = {.node_hops = in_node,
             .node_bytes = group > 1 ? 2.0 : 0.0,
             .between_hops = 2.0 * levels(nodes),
             .between_bytes = nodes > 1 ? 2.0 : 0.0,
             .pipelined = true};
  } else {
    terms = {.node_hops = in_node,
             .node_bytes = shares(group),
             .between_hops = 2.0 * levels(nodes),
             .between_bytes = shares(nodes)};
  }
  if (group == 1) terms.node_bytes = terms.node_hops = 0.0;
  return terms;
}

double allreduce_seconds(Allreduce algorithm, const Network& network, int ranks, double bytes) {
  if (ranks == 1) return 0.0;
  const ExchangeTerms terms = terms_of(algorithm, ranks, network.ranks_per_node);
  const auto flow = [&](double times, const Link& link) {
    if (times == 0.0) return 0.0;
    core::require(link.known(), "the links of a predicted sum are known");
    return times * bytes / link.bytes_per_s;
  };
  const double node_s = flow(terms.node_bytes, network.node);
  const double between_s = flow(terms.between_bytes, network.between);
  return network.call_s + terms.node_hops * network.node.latency_s +
         terms.between_hops * network.between.latency_s +
         (terms.pipelined ? std::max(node_s, between_s) : node_s + between_s);
}

}  // namespace epi::dist
