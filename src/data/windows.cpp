#include "data/windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "core/error.hpp"

namespace epi::data {
namespace {

std::set<std::int32_t> contigs_of(const std::vector<Interval>& regions) {
  std::set<std::int32_t> contigs;
  for (const Interval& region : regions) contigs.insert(region.contig);
  return contigs;
}

/// Where one contig holds training and held-out regions, the guard between them must be as long as
/// a window, since neighbouring bases are much alike, and as a bin, whose state would be seen from
/// both sides.
void check_guard(const Manifest& manifest, std::int64_t window_bp) {
  const std::int64_t needed_bp = std::max<std::int64_t>(window_bp, manifest.bin_bp);
  if (manifest.guard_bp >= needed_bp) return;
  const bool too_long = window_bp >= manifest.bin_bp;
  const auto train = contigs_of(manifest.regions[static_cast<int>(Split::train)]);
  for (const Split held_out : {Split::valid, Split::test}) {
    for (const std::int32_t contig : contigs_of(manifest.regions[static_cast<int>(held_out)])) {
      if (train.count(contig) == 0) continue;
      throw core::ConfigError(fmt::format(
          "{} of {} bp are longer than the store's guard of {} bp between train and {} on "
          "contig {}; {}prepare the store with a longer guard",
          too_long ? "windows" : "bins", needed_bp, manifest.guard_bp, name_of(held_out),
          manifest.contigs.at(static_cast<std::size_t>(contig)).name,
          too_long ? "take shorter windows or " : ""));
    }
  }
}

/// Bases that are A, C, G or T. Code bit 2 says N; eight bases are counted at once, in the bytes of
/// a word that is emptied before a byte can overflow. Loops that the compiler vectorises: 13 GB/s a
/// core.
std::int64_t count_acgt(const std::uint8_t* bases, std::int64_t length) {
  constexpr std::int64_t kWordBases = 8;
  constexpr std::int64_t kMostWords = 255;
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  std::int64_t unknown = 0;
  std::int64_t i = 0;
  while (length - i >= kWordBases) {
    const std::int64_t words = std::min(kMostWords, (length - i) / kWordBases);
    std::uint64_t counts = 0;
    for (std::int64_t w = 0; w < words; ++w) {
      std::uint64_t word = 0;
      std::memcpy(&word, bases + i + w * kWordBases, sizeof word);
      counts += (word >> 2U) & kOnes;
    }
    for (; counts != 0; counts >>= 8U) unknown += static_cast<std::int64_t>(counts & 0xffU);
    i += words * kWordBases;
  }
  for (; i < length; ++i) unknown += (bases[i] >> 2U) & 1U;
  return length - unknown;
}

}  // namespace

WindowTable::WindowTable(const Manifest& manifest, const core::CorpusView& corpus, Split split,
                         std::int64_t window_bp, double min_acgt)
    : window_bp_(window_bp) {
  core::require(window_bp > 0, "a window has bases");
  core::require(min_acgt >= 0.0 && min_acgt <= 1.0, "a share of A C G T in [0, 1]");
  check_guard(manifest, window_bp);
  // A share such as 0.1 lies a little above the decimal: 10 bases of 100 must do.
  min_acgt_bp_ = static_cast<std::int64_t>(
      std::ceil(min_acgt * static_cast<double>(window_bp) * (1.0 - 1e-12)));
  for (const Interval& region : manifest.regions[static_cast<int>(split)]) {
    for (std::size_t i = 0; i < corpus.segments.size(); ++i) {
      const core::SegmentView& segment = corpus.segments[i];
      if (segment.contig != region.contig) continue;
      const std::int64_t begin = std::max(region.start_bp, segment.start_bp);
      const std::int64_t end = std::min(region.end_bp, segment.start_bp + segment.length_bp);
      if (end - begin < window_bp) continue;
      const std::int64_t offset = begin - segment.start_bp;
      add({static_cast<std::int32_t>(i), offset, end - begin,
           min_acgt_bp_ > 0 ? segment.bases + offset : nullptr, 0, size(), 0});
    }
  }
}

void WindowTable::add(Run stretch) {
  if (min_acgt_bp_ > 0) {
    add_counted(stretch);
  } else {
    stretch.num_windows = stretch.length_bp / window_bp_;
    runs_.push_back(stretch);
  }
}

// A window that jitter moves lies within two tiles side by side, the last of which may be cut.
void WindowTable::add_counted(Run stretch) {
  const std::int64_t tiles = stretch.length_bp / window_bp_;
  std::int64_t unknown_before = 0;
  Run run = stretch;
  for (std::int64_t tile = 0; tile * window_bp_ < stretch.length_bp; ++tile) {
    const std::int64_t length = std::min(window_bp_, stretch.length_bp - tile * window_bp_);
    const std::int64_t acgt = count_acgt(stretch.bases + tile * window_bp_, length);
    const std::int64_t unknown = length - acgt;
    leaves_out_ |= window_bp_ - unknown_before - unknown < min_acgt_bp_;
    unknown_before = unknown;
    if (tile == tiles) break;
    if (acgt >= min_acgt_bp_) {
      if (run.num_windows++ == 0) run.first_tile = tile;
      continue;
    }
    if (run.num_windows > 0) runs_.push_back(run);
    run = stretch;
    run.first_window = size();
  }
  if (run.num_windows > 0) runs_.push_back(run);
}

std::int64_t WindowTable::size() const {
  return runs_.empty() ? 0 : runs_.back().first_window + runs_.back().num_windows;
}

std::int64_t WindowTable::window_bp() const {
  return window_bp_;
}

const WindowTable::Run& WindowTable::run_of(std::int64_t index) const {
  core::require(index >= 0 && index < size(), "a window of this table");
  const auto after =
      std::upper_bound(runs_.begin(), runs_.end(), index,
                       [](std::int64_t i, const Run& run) { return i < run.first_window; });
  return *std::prev(after);
}

core::WindowRef WindowTable::at(std::int64_t index) const {
  const Run& run = run_of(index);
  const std::int64_t tile = run.first_tile + index - run.first_window;
  return {run.segment, run.offset_bp + tile * window_bp_};
}

core::WindowRef WindowTable::jittered(std::int64_t index, float jitter) const {
  core::require(jitter >= 0.0F && jitter < 1.0F, "jitter in [0, 1)");
  const Run& run = run_of(index);
  const std::int64_t tile = (run.first_tile + index - run.first_window) * window_bp_;
  const auto moved = static_cast<std::int64_t>(double{jitter} * static_cast<double>(window_bp_));
  const std::int64_t start =
      std::clamp<std::int64_t>(tile + moved - window_bp_ / 2, 0, run.length_bp - window_bp_);
  const bool enough = !leaves_out_ || count_acgt(run.bases + start, window_bp_) >= min_acgt_bp_;
  return {run.segment, run.offset_bp + (enough ? start : tile)};
}

}  // namespace epi::data
