// Windows of a split and the order in which training and evaluation see them. Everything here is a
// pure function of the store, the window size and the seed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/corpus.hpp"
#include "data/sample_source.hpp"
#include "data/store.hpp"

namespace epi::data {

/// Windows tile each stretch of a split's regions inside one segment. Jitter moves a window by up
/// to half its length either way, within the stretch: all phases of the k-mers are seen, and what
/// the tiling leaves over at the end of a stretch.
class WindowTable {
 public:
  /// `window_bp` as TokenSpec::window_bp. Stretches shorter than a window hold none, and windows
  /// with a smaller share of A C G T than `min_acgt` are left out.
  /// ConfigError if a region split's guard (Manifest::guard_bp) is shorter than a window.
  WindowTable(const Manifest& manifest, const core::CorpusView& corpus, Split split,
              std::int64_t window_bp, double min_acgt = 0.0);

  /// Windows of the split; 0 when no stretch is long enough.
  [[nodiscard]] std::int64_t size() const;
  /// Bases of every window.
  [[nodiscard]] std::int64_t window_bp() const;
  /// Window `index` in 0..size()-1 where the tiling has it.
  [[nodiscard]] core::WindowRef at(std::int64_t index) const;
  /// The same, moved by (jitter - 1/2) window lengths, `jitter` in [0, 1), and kept in its stretch;
  /// not moved at all where that would show too few A C G T.
  [[nodiscard]] core::WindowRef jittered(std::int64_t index, float jitter) const;

 private:
  struct Stretch {
    std::int32_t segment;
    std::int64_t offset_bp, length_bp;
    std::int64_t first_window, num_windows;
  };
  /// By binary search: a genome has thousands of stretches.
  [[nodiscard]] const Stretch& stretch_of(std::int64_t index) const;
  std::vector<Stretch> stretches_;
  std::int64_t window_bp_ = 0;
};

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
  /// `cells`: indices into Manifest::cells that take part. InputError if there is no window or
  /// cell.
  PretrainingOrder(WindowTable windows, std::vector<std::int32_t> cells,
                   PretrainingOptions options);
  /// Windows x cell types per window.
  [[nodiscard]] std::int64_t epoch_size() const override;
  /// Any slot without the ones before: resuming and other rank counts cost nothing.
  void samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const override;

 private:
  WindowTable windows_;
  std::vector<std::int32_t> cells_;
  PretrainingOptions options_;
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
