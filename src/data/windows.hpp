// Windows of a split: a pure function of the store and the window size.
#pragma once

#include <cstdint>
#include <vector>

#include "core/corpus.hpp"
#include "data/store.hpp"

namespace epi::data {

/// Windows tile each stretch of a split's regions inside one segment. Jitter moves a window by up
/// to half its length either way, within the stretch: all phases of the k-mers are seen, and what
/// the tiling leaves over at the end of a stretch.
class WindowTable {
 public:
  /// `window_bp` as TokenSpec::window_bp. Stretches shorter than a window hold none, and windows
  /// with a smaller share of A C G T than `min_acgt`, in [0, 1], are left out; counting reads every
  /// base of the split, unless `min_acgt` is 0. The corpus's arrays must outlive the table.
  /// ConfigError if a region split's guard (Manifest::guard_bp) is shorter than a window or a bin.
  WindowTable(const Manifest& manifest, const core::CorpusView& corpus, Split split,
              std::int64_t window_bp, double min_acgt = 0.0);

  /// Windows of the split; 0 when no stretch is long enough.
  [[nodiscard]] std::int64_t size() const;
  /// Bases of every window.
  [[nodiscard]] std::int64_t window_bp() const;
  /// False: no window has too few A C G T, wherever jitter moves it, so the table is as without
  /// `min_acgt`. May be true without need.
  [[nodiscard]] bool leaves_out() const { return leaves_out_; }
  /// Window `index` in 0..size()-1 where the tiling has it.
  [[nodiscard]] core::WindowRef at(std::int64_t index) const;
  /// The same, moved by (jitter - 1/2) window lengths, `jitter` in [0, 1), and kept in its stretch;
  /// not moved at all where that would show too few A C G T.
  [[nodiscard]] core::WindowRef jittered(std::int64_t index, float jitter) const;

 private:
  /// Windows of one stretch that lie side by side. One that is left out ends a run, so memory is
  /// that of stretches and left-out windows.
  struct Run {
    std::int32_t segment;
    std::int64_t offset_bp, length_bp;  ///< of the whole stretch
    const std::uint8_t* bases;          ///< of the whole stretch
    std::int64_t first_tile;            ///< place of the run's first window in the stretch's tiling
    std::int64_t first_window, num_windows;
  };
  /// Appends the runs of a stretch, which has its place but no windows yet.
  void add(Run stretch);
  /// The same with windows left out.
  void add_counted(Run stretch);
  /// By binary search: a genome has thousands of runs.
  [[nodiscard]] const Run& run_of(std::int64_t index) const;
  std::vector<Run> runs_;
  std::int64_t window_bp_ = 0;
  std::int64_t min_acgt_bp_ = 0;
  bool leaves_out_ = false;
};

}  // namespace epi::data
