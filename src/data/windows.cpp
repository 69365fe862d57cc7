#include "data/windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "core/philox.hpp"

namespace epi::data {
namespace {

constexpr int kFeistelRounds = 6;  // four are the least for a strong permutation (Luby & Rackoff)

std::uint32_t low(std::uint64_t value) {
  return static_cast<std::uint32_t>(value);
}
std::uint32_t high(std::uint64_t value) {
  return static_cast<std::uint32_t>(value >> 32U);
}

std::set<std::int32_t> contigs_of(const std::vector<Interval>& regions) {
  std::set<std::int32_t> contigs;
  for (const Interval& region : regions) contigs.insert(region.contig);
  return contigs;
}

/// Where one contig holds training and held-out regions, the guard between them must be as long as
/// a window: neighbouring bases and bins are much alike.
void check_guard(const Manifest& manifest, std::int64_t window_bp) {
  if (manifest.guard_bp >= window_bp) return;
  const auto train = contigs_of(manifest.regions[static_cast<int>(Split::train)]);
  for (const Split held_out : {Split::valid, Split::test}) {
    for (const std::int32_t contig : contigs_of(manifest.regions[static_cast<int>(held_out)])) {
      if (train.count(contig) == 0) continue;
      throw core::ConfigError(fmt::format(
          "windows of {} bp are longer than the store's guard of {} bp between train and {} on "
          "contig {}; take shorter windows or prepare the store with a longer guard",
          window_bp, manifest.guard_bp, name_of(held_out),
          manifest.contigs.at(static_cast<std::size_t>(contig)).name));
    }
  }
}

void check_not_empty(const WindowTable& windows, const std::vector<std::int32_t>& cells) {
  if (windows.size() == 0) {
    throw core::InputError(
        fmt::format("no window of {} bp fits into the regions of this split; take shorter windows",
                    windows.window_bp()));
  }
  if (cells.empty()) throw core::InputError("no cell type takes part in this split");
}

/// floor(a * b / c) without overflow for a <= c.
std::int64_t scaled(std::int64_t a, std::int64_t b, std::int64_t c) {
  __extension__ using Wide = __int128;
  return static_cast<std::int64_t>(Wide{a} * b / c);
}

}  // namespace

WindowTable::WindowTable(const Manifest& manifest, const core::CorpusView& corpus, Split split,
                         std::int64_t window_bp, double /*min_acgt*/)
    : window_bp_(window_bp) {
  core::require(window_bp > 0, "a window has bases");
  check_guard(manifest, window_bp);
  std::int64_t first_window = 0;
  for (const Interval& region : manifest.regions[static_cast<int>(split)]) {
    for (std::size_t i = 0; i < corpus.segments.size(); ++i) {
      const core::SegmentView& segment = corpus.segments[i];
      if (segment.contig != region.contig) continue;
      const std::int64_t begin = std::max(region.start_bp, segment.start_bp);
      const std::int64_t end = std::min(region.end_bp, segment.start_bp + segment.length_bp);
      if (end - begin < window_bp) continue;
      const std::int64_t num_windows = (end - begin) / window_bp;
      stretches_.push_back({static_cast<std::int32_t>(i), begin - segment.start_bp, end - begin,
                            first_window, num_windows});
      first_window += num_windows;
    }
  }
}

std::int64_t WindowTable::size() const {
  return stretches_.empty() ? 0 : stretches_.back().first_window + stretches_.back().num_windows;
}

std::int64_t WindowTable::window_bp() const {
  return window_bp_;
}

const WindowTable::Stretch& WindowTable::stretch_of(std::int64_t index) const {
  core::require(index >= 0 && index < size(), "a window of this table");
  const auto after = std::upper_bound(
      stretches_.begin(), stretches_.end(), index,
      [](std::int64_t i, const Stretch& stretch) { return i < stretch.first_window; });
  return *std::prev(after);
}

core::WindowRef WindowTable::at(std::int64_t index) const {
  const Stretch& stretch = stretch_of(index);
  return {stretch.segment, stretch.offset_bp + (index - stretch.first_window) * window_bp_};
}

core::WindowRef WindowTable::jittered(std::int64_t index, float jitter) const {
  core::require(jitter >= 0.0F && jitter < 1.0F, "jitter in [0, 1)");
  const Stretch& stretch = stretch_of(index);
  const auto moved = static_cast<std::int64_t>(double{jitter} * static_cast<double>(window_bp_));
  const std::int64_t start = (index - stretch.first_window) * window_bp_ + moved - window_bp_ / 2;
  const std::int64_t last = stretch.length_bp - window_bp_;
  return {stretch.segment, stretch.offset_bp + std::clamp<std::int64_t>(start, 0, last)};
}

Permutation::Permutation(std::uint64_t seed, std::uint64_t epoch, std::uint64_t n)
    : seed_(seed), epoch_(epoch), n_(n), half_bits_(1) {
  core::require(n >= 1, "a permutation of at least one number");
  half_bits_ = std::max(1, (static_cast<int>(std::bit_width(n - 1)) + 1) / 2);
}

std::uint64_t Permutation::operator()(std::uint64_t i) const {
  core::require(i < n_, "a number below n");
  const std::uint64_t mask = (std::uint64_t{1} << static_cast<unsigned>(half_bits_)) - 1;
  // The network permutes 0..4^half_bits-1, less than 4 n (or 4); whatever falls outside goes on.
  do {
    std::uint64_t left = i >> static_cast<unsigned>(half_bits_);
    std::uint64_t right = i & mask;
    for (std::uint32_t round = 0; round < kFeistelRounds; ++round) {
      const auto words = core::philox(seed_, core::RandomUse::order,
                                      {low(epoch_), high(epoch_), round, low(right)});
      left = std::exchange(right, (left ^ words[0]) & mask);
    }
    i = (left << static_cast<unsigned>(half_bits_)) | right;
  } while (i >= n_);
  return i;
}

PretrainingOrder::PretrainingOrder(WindowTable windows, std::vector<std::int32_t> cells,
                                   PretrainingOptions options)
    : windows_(std::move(windows)), cells_(std::move(cells)), options_(options) {
  check_not_empty(windows_, cells_);
}

std::int64_t PretrainingOrder::epoch_size() const {
  return windows_.size() * static_cast<std::int64_t>(cells_.size());
}

// Jitter is drawn per sample: the cell types of one window see it at different places.
void PretrainingOrder::samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const {
  const auto size = static_cast<std::uint64_t>(epoch_size());
  std::uint64_t slot = first_slot;
  for (core::SampleRef& sample : out) {
    const std::uint64_t pair = Permutation(options_.seed, slot / size, size)(slot % size);
    const core::PhiloxBlock counter{low(slot), high(slot), 0, 0};
    const auto moved = core::philox(options_.seed, core::RandomUse::jitter, counter)[0];
    const auto flipped = core::philox(options_.seed, core::RandomUse::strand, counter)[0] >> 31U;
    sample = {};
    const auto window = static_cast<std::int64_t>(pair / cells_.size());
    sample.window = options_.jitter ? windows_.jittered(window, core::uniform_float(moved))
                                    : windows_.at(window);
    sample.cell = cells_[pair % cells_.size()];
    const bool reverse = options_.reverse_complement && flipped == 1;
    sample.strand = reverse ? core::Strand::reverse : core::Strand::forward;
    ++slot;
  }
}

EvaluationOrder::EvaluationOrder(WindowTable windows, std::vector<std::int32_t> cells,
                                 std::int64_t count)
    : windows_(std::move(windows)), cells_(std::move(cells)), count_(count) {
  check_not_empty(windows_, cells_);
  const std::int64_t all = windows_.size() * static_cast<std::int64_t>(cells_.size());
  if (count_ <= 0 || count_ > all) count_ = all;
}

std::int64_t EvaluationOrder::epoch_size() const {
  return count_;
}

// Windows are spread evenly and cell types taken in turn. Slots of one window follow each other and
// are at most as many as there are cell types, so no pair comes twice.
void EvaluationOrder::samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const {
  std::uint64_t slot = first_slot;
  for (core::SampleRef& sample : out) {
    const auto i = static_cast<std::int64_t>(slot % static_cast<std::uint64_t>(count_));
    sample = {};
    sample.window = windows_.at(scaled(i, windows_.size(), count_));
    sample.cell = cells_[static_cast<std::size_t>(i) % cells_.size()];
    ++slot;
  }
}

}  // namespace epi::data
