// The cost model turned round: links from measured sums. What a call costs whatever its size is
// part of the latencies here; two unknowns a link are all that a few sizes can tell.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "dist/cost_model.hpp"

namespace epi::dist {
namespace {

/// One equation: hops latency + bytes / rate = seconds, judged relative to `measured`.
struct Equation {
  double hops = 0.0, bytes = 0.0, seconds = 0.0, measured = 0.0;
};

/// Weighted sums of the normal equations.
struct Normal {
  double hh = 0.0, hb = 0.0, bb = 0.0, hs = 0.0, bs = 0.0;
};

Normal normal_of(std::span<const Equation> equations) {
  Normal n;
  for (const Equation& e : equations) {
    const double weight = 1.0 / (e.measured * e.measured);
    n.hh += weight * e.hops * e.hops;
    n.hb += weight * e.hops * e.bytes;
    n.bb += weight * e.bytes * e.bytes;
    n.hs += weight * e.hops * e.seconds;
    n.bs += weight * e.bytes * e.seconds;
  }
  return n;
}

/// The non-negative latency and seconds per byte with the least squared error.
Link solve(std::span<const Equation> equations) {
  if (equations.empty()) return {};
  const Normal n = normal_of(equations);
  const double determinant = n.hh * n.bb - n.hb * n.hb;
  double latency = 0.0, per_byte = 0.0;
  // Sizes that are all alike cannot tell latency from rate: then all is rate.
  if (determinant > 1e-9 * n.hh * n.bb) {
    latency = (n.hs * n.bb - n.bs * n.hb) / determinant;
    per_byte = (n.bs * n.hh - n.hs * n.hb) / determinant;
  }
  if (latency <= 0.0) {
    latency = 0.0;
    per_byte = n.bb > 0.0 ? n.bs / n.bb : 0.0;
  }
  if (per_byte <= 0.0) {
    per_byte = 0.0;
    latency = n.hh > 0.0 ? std::max(0.0, n.hs / n.hh) : 0.0;
  }
  constexpr double kNoTime = 1e-15;  // seconds per byte: faster than any memory
  return {latency, 1.0 / std::max(per_byte, kNoTime)};
}

bool in_one_node(const ExchangeSample& sample) {
  return sample.ranks <= sample.ranks_per_node;
}

Link fit_node(Allreduce algorithm, std::span<const ExchangeSample> samples) {
  std::vector<Equation> equations;
  for (const ExchangeSample& s : samples) {
    if (s.ranks == 1 || !in_one_node(s)) continue;
    const ExchangeTerms terms = terms_of(algorithm, s.ranks, s.ranks_per_node);
    equations.push_back({terms.node_hops, terms.node_bytes * s.bytes, s.seconds, s.seconds});
  }
  return solve(equations);
}

/// What the node's link does not explain. Where bytes flow through both at once, the network is
/// the slower one.
Link fit_between(Allreduce algorithm, std::span<const ExchangeSample> samples, const Link& node) {
  std::vector<Equation> equations;
  for (const ExchangeSample& s : samples) {
    if (in_one_node(s)) continue;
    const ExchangeTerms terms = terms_of(algorithm, s.ranks, s.ranks_per_node);
    double rest = s.seconds - terms.node_hops * node.latency_s;
    if (!terms.pipelined && node.known()) rest -= terms.node_bytes * s.bytes / node.bytes_per_s;
    equations.push_back({terms.between_hops, terms.between_bytes * s.bytes, rest, s.seconds});
  }
  return solve(equations);
}

/// Mean relative error; infinite where the samples leave a link open that they need.
double error_of(const FittedNetwork& fit, std::span<const ExchangeSample> samples) {
  double sum = 0.0;
  int count = 0;
  for (const ExchangeSample& s : samples) {
    if (s.ranks == 1) continue;
    const ExchangeTerms terms = terms_of(fit.algorithm, s.ranks, s.ranks_per_node);
    if (terms.node_bytes > 0.0 && !fit.network.node.known()) {
      return std::numeric_limits<double>::infinity();
    }
    Network network = fit.network;
    network.ranks_per_node = s.ranks_per_node;
    const double predicted = allreduce_seconds(fit.algorithm, network, s.ranks, s.bytes);
    sum += std::abs(predicted - s.seconds) / s.seconds;
    ++count;
  }
  return count > 0 ? sum / count : 0.0;
}

}  // namespace

FittedNetwork fit_network(Allreduce algorithm, std::span<const ExchangeSample> samples) {
  FittedNetwork fit;
  fit.algorithm = algorithm;
  fit.network.name = "measured";
  fit.network.title = "as measured";
  for (const ExchangeSample& s : samples) {
    core::require(s.bytes > 0.0 && s.seconds > 0.0, "measured sums have bytes and took time");
    fit.network.ranks_per_node = std::max(fit.network.ranks_per_node, s.ranks_per_node);
  }
  fit.network.node = fit_node(algorithm, samples);
  fit.network.between = fit_between(algorithm, samples, fit.network.node);
  // Nodes that were only ever measured together still have a memory of their own.
  if (!fit.network.node.known()) fit.network.node = fit.network.between;
  fit.error = error_of(fit, samples);
  return fit;
}

FittedNetwork fit_network(std::span<const ExchangeSample> samples) {
  std::array<FittedNetwork, kAllreduces.size()> fits;
  std::ranges::transform(kAllreduces, fits.begin(),
                         [&](Allreduce a) { return fit_network(a, samples); });
  constexpr double kTie = 1e-9;  // rounding of equal formulas
  const FittedNetwork* best = &fits[0];
  for (const FittedNetwork& fit : fits) {
    if (fit.error < best->error - kTie) best = &fit;
  }
  return *best;
}

}  // namespace epi::dist
