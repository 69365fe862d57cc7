// The order in which training and evaluation see windows and cell types: pure functions of the
// window table and the seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/corpus.hpp"
#include "data/sample_source.hpp"
#include "data/windows.hpp"

namespace epi::data {

/// A pseudo-random permutation of 0..n-1 in O(1) memory (Feistel network with cycle walking keyed
/// by Philox; Black & Rogaway, CT-RSA 2002).
class Permutation {
 public:
  /// Another permutation for each seed and epoch; `n` >= 1, else LogicError.
  Permutation(std::uint64_t seed, std::uint64_t epoch, std::uint64_t n);
  /// Where `i` < n goes. Passes through the network less than 4 times on average.
  [[nodiscard]] std::uint64_t operator()(std::uint64_t i) const;

 private:
  std::uint64_t seed_, epoch_, n_;
  int half_bits_;
};

struct PretrainingOptions {
  std::uint64_t seed = 0;
  bool jitter = true;
  bool reverse_complement = true;     ///< half of the samples, states reversed too
  std::int64_t cells_per_window = 0;  ///< cell types that show a window in one epoch; 0: all
  std::vector<double> weights{};      ///< per entry of `cells`; empty: all alike
};

/// Each epoch shows every window with `cells_per_window` cell types, in a new order; jitter and
/// strand are drawn for each slot. Which cell types those are is drawn anew for each window and
/// epoch by systematic sampling (Madow, Ann. Math. Stat. 20, 1949): a cell type is shown
/// cells_per_window * weight / sum of weights times, rounded down or up, and exactly so on average.
/// With equal weights no cell type comes twice; with all of them each pair comes once.
class PretrainingOrder final : public SampleSource {
 public:
  /// `cells`: indices into Manifest::cells that take part, less than 65,536. InputError if there is
  /// no window or cell; ConfigError if there are fewer cells than a window is to be shown with.
  PretrainingOrder(WindowTable windows, std::vector<std::int32_t> cells,
                   PretrainingOptions options);
  /// Windows x cell types per window.
  [[nodiscard]] std::int64_t epoch_size() const override;
  /// Any slot without the ones before: resuming and other rank counts cost nothing.
  void samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const override;

 private:
  /// The cell type of pick `pick` of a window in an epoch.
  [[nodiscard]] std::int32_t picked_cell(std::uint64_t epoch, std::uint64_t window,
                                         std::uint64_t pick) const;

  WindowTable windows_;
  std::vector<std::int32_t> cells_;
  PretrainingOptions options_;
  std::uint64_t picks_;                 ///< per window and epoch
  std::vector<std::uint64_t> weights_;  ///< whole numbers in proportion; empty: each cell once
  std::uint64_t sum_ = 0;               ///< of them
};

/// A fixed list for evaluation: `count` different (window, cell type) pairs, windows spread evenly
/// and cell types in turn (all pairs, if count is 0 or larger), forward strand, no jitter.
class EvaluationOrder final : public SampleSource {
 public:
  /// Takes part as in PretrainingOrder; InputError if there is no window or cell.
  EvaluationOrder(WindowTable windows, std::vector<std::int32_t> cells, std::int64_t count);
  /// `count`, or all pairs.
  [[nodiscard]] std::int64_t epoch_size() const override;
  /// Slots past the list begin it again.
  void samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const override;

 private:
  WindowTable windows_;
  std::vector<std::int32_t> cells_;
  std::int64_t count_;
};

}  // namespace epi::data
