// What a model of hidden DNA must beat: baselines that know nothing but counts of the training
// regions (both strands) and are scored at the same hidden positions, from the same visible bases.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "dist/communicator.hpp"
#include "kernels/tokens.hpp"

namespace epi::train {

/// A window as the model sees it, without [CLS] and [SEP].
struct VisibleWindow {
  std::span<const std::uint8_t> bases;   ///< [window_bp] true codes, 0..3 and 4 for N
  std::span<const std::uint8_t> hidden;  ///< [window_bp] 1 where no visible token shows the base
};

enum class DnaBaseline : std::uint8_t { uniform, unigram, gc_unigram, chain, two_sided_chain };
inline constexpr int kNumDnaBaselines = 5;
/// For tables: "order-5 chain, one-sided".
[[nodiscard]] const char* name_of(DnaBaseline baseline);

/// Nats of one hidden token under each baseline, indexed by DnaBaseline. Bases of the token that
/// are visible (overlapping k-mers) are given to every baseline.
///   uniform          every k-mer alike
///   unigram          frequency of the k-mer
///   gc_unigram       unigram tilted to the GC share of the window's visible bases
///   chain            order-5 Markov chain from the left, shorter where less is visible
///   two_sided_chain  the same chain given up to 5 visible bases on the right as well
using DnaScores = std::array<double, kNumDnaBaselines>;

class DnaBaselines {
 public:
  static constexpr int kOrder = 5;
  static constexpr std::int32_t kLongest = 8;  ///< k: scoring visits all 4^k choices of a token

  /// k from 1 to 8.
  explicit DnaBaselines(std::int32_t k);

  /// Counts a stretch of training sequence and its reverse complement.
  void add(std::span<const std::uint8_t> bases);
  /// Sums the counts over all ranks and fits; nothing can be added afterwards.
  void fit(dist::Communicator& world);

  /// Scores the token of bases first..first+k-1, none of which is N.
  [[nodiscard]] DnaScores score(const VisibleWindow& window, std::int64_t first) const;

 private:
  class Chain;
  /// One strand; codes without the soft-mask bit, k-mers with N not counted.
  void count_strand(std::span<const std::uint8_t> bases);
  void fit_chain();
  [[nodiscard]] double probability(std::span<const std::uint8_t> bases, std::int64_t context_start,
                                   std::int64_t at) const;

  std::int32_t k_;
  std::vector<std::int64_t> kmer_counts_;
  std::array<std::vector<std::int64_t>, kOrder + 1> chain_counts_;  ///< [order][4^(order+1)]
  std::vector<double> kmer_share_;
  std::array<std::vector<double>, kOrder + 1> chain_;
  double gc_share_ = 0.5;
};

}  // namespace epi::train
