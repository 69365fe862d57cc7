// What a sum over ranks costs on paper: messages cost a latency and a time per byte (Hockney 1994,
// "alpha-beta"), and an algorithm is how many of both lie on its longest path. Predicts the sums of
// numbers of ranks that nobody has at hand, and is fitted to those that somebody has.
//
//   ring          2 (n-1) hops, 2 (n-1)/n bytes through the slowest link         (Patarasuk 2009)
//   tree          2 (g-1) hops in a node, 2 log2(nodes) between, 2 bytes: pipelined up and down
//   hierarchical  reduce-scatter and gather in a node, as a ring; between them, each rank with its
//                 peers sums its share by halving and doubling: 2 log2(nodes) hops
//
// with n ranks, g of them in a node; "bytes" are multiples of those that are summed. Ring and tree
// are counted as NCCL's tuning does (NVIDIA/nccl, src/graph/tuning.cc).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

namespace epi::dist {

struct Link {
  double latency_s = 0.0;
  double bytes_per_s = 0.0;  ///< 0: there is no such link, or nothing is known of it
  [[nodiscard]] bool known() const { return bytes_per_s > 0.0; }
};

enum class Allreduce : std::uint8_t { ring, tree, hierarchical };
inline constexpr std::array kAllreduces = {Allreduce::hierarchical, Allreduce::ring,
                                           Allreduce::tree};
/// "ring", "tree" or "hierarchical".
[[nodiscard]] const char* name_of(Allreduce algorithm);

struct Network {
  std::string name;        ///< as in a table of networks: "nvlink-8x400"
  std::string title;       ///< for people
  int ranks_per_node = 1;  ///< g where all of a node's places are taken
  double call_s = 0.0;     ///< of every sum, whatever its size
  Link node;               ///< between ranks of a node
  Link between;            ///< of a whole node, all of its adapters together
};

/// Hops and bytes on the longest path of a sum; bytes as multiples of those that are summed.
struct ExchangeTerms {
  double node_hops = 0.0, node_bytes = 0.0;
  double between_hops = 0.0, between_bytes = 0.0;
  bool pipelined = false;  ///< bytes flow through both links at once: the slower one counts
};

/// Of a sum over `ranks`, `ranks_per_node` of them in each node but perhaps the last. All zero for
/// one rank.
[[nodiscard]] ExchangeTerms terms_of(Allreduce algorithm, int ranks, int ranks_per_node);

/// Seconds of one sum of `bytes`; 0 for one rank. LogicError when a link that it needs is unknown.
[[nodiscard]] double allreduce_seconds(Allreduce algorithm, const Network& network, int ranks,
                                       double bytes);

/// One measured sum.
struct ExchangeSample {
  int ranks = 1;
  int ranks_per_node = 1;
  double bytes = 0.0;
  double seconds = 0.0;
};

struct FittedNetwork {
  Allreduce algorithm = Allreduce::hierarchical;
  Network network;     ///< links without samples stay unknown
  double error = 0.0;  ///< mean of |predicted - measured| / measured over the samples
};

/// The links that explain the samples best for one algorithm: least squares of relative errors,
/// first of the samples within a node, then of those between nodes; nothing becomes negative.
/// Samples of one rank are ignored.
[[nodiscard]] FittedNetwork fit_network(Allreduce algorithm,
                                        std::span<const ExchangeSample> samples);
/// The algorithm, with its fit, that explains them best; among equals the first of kAllreduces.
[[nodiscard]] FittedNetwork fit_network(std::span<const ExchangeSample> samples);

}  // namespace epi::dist
