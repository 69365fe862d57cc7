#include "data/orders.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
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

void check_not_empty(const WindowTable& windows, const std::vector<std::int32_t>& cells) {
  if (windows.size() == 0) {
    throw core::InputError(fmt::format(
        "no window of {} bp fits into the regions of this split{}; take shorter windows{}",
        windows.window_bp(), windows.leaves_out() ? " and has enough A, C, G and T" : "",
        windows.leaves_out() ? " or ask for a smaller share of A, C, G and T" : ""));
  }
  if (cells.empty()) throw core::InputError("no cell type takes part in this split");
}

__extension__ using Wide = unsigned __int128;

/// floor(a * b / c) without overflow for a <= c.
std::int64_t scaled(std::int64_t a, std::int64_t b, std::int64_t c) {
  return static_cast<std::int64_t>(Wide{static_cast<std::uint64_t>(a)} *
                                   static_cast<std::uint64_t>(b) / static_cast<std::uint64_t>(c));
}

/// Uniform in [0, n) from 128 random bits; its bias is below n / 2^128.
std::uint64_t below(const core::PhiloxBlock& words, std::uint64_t n) {
  const auto joined = [](std::uint32_t a, std::uint32_t b) {
    return (std::uint64_t{a} << 32U) | b;
  };
  const Wide carry = (Wide{joined(words[2], words[3])} * n) >> 64U;
  return static_cast<std::uint64_t>((Wide{joined(words[0], words[1])} * n + carry) >> 64U);
}

constexpr std::size_t kMostCells = 65536;

/// Weights as whole numbers: the largest becomes 2^32, none becomes 0; so shares are right to
/// 2^-33 of the largest, and cells times the sum fit into 64 bits. Equal weights become ones.
std::vector<std::uint64_t> whole_weights(const std::vector<double>& weights, std::size_t cells) {
  core::require(weights.empty() || weights.size() == cells, "a weight for each cell type");
  std::vector<std::uint64_t> out(cells, 1);
  if (weights.empty()) return out;
  const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
  core::require(*least > 0.0 && std::isfinite(*most), "weights of cell types above 0");
  if (*least == *most) return out;
  for (std::size_t i = 0; i < cells; ++i) {
    out[i] = std::max<std::uint64_t>(
        1, static_cast<std::uint64_t>(std::llround(weights[i] / *most * 0x1p32)));
  }
  return out;
}

}  // namespace

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
    : windows_(std::move(windows)),
      cells_(std::move(cells)),
      options_(std::move(options)),
      picks_(static_cast<std::uint64_t>(options_.cells_per_window)) {
  check_not_empty(windows_, cells_);
  core::require(options_.cells_per_window >= 0, "a number of cell types");
  core::require(cells_.size() < kMostCells, "less than 65,536 cell types");
  if (picks_ > cells_.size()) {
    throw core::ConfigError(fmt::format(
        "cells_per_window = {}, but only {} cell types take part: at most {}, or 0 for all", picks_,
        cells_.size(), cells_.size()));
  }
  if (picks_ == 0) picks_ = cells_.size();
  weights_ = whole_weights(options_.weights, cells_.size());
  sum_ = std::accumulate(weights_.begin(), weights_.end(), std::uint64_t{0});
  const bool all_alike = sum_ == cells_.size();
  if (all_alike && picks_ == cells_.size()) weights_.clear();
}

std::int64_t PretrainingOrder::epoch_size() const {
  return windows_.size() * static_cast<std::int64_t>(picks_);
}

// Systematic sampling: the cell types, in random order, lie end to end as stretches of picks x
// weight; pick j is the one at place start + j x sum, with one random start below the sum for all.
// Starts and picks together meet each place once, so a cell type's expected number of picks is
// exactly picks x weight / sum. Draws, with a = {window, window, epoch} as low, high and low word:
// {a, high word of the epoch * 2^16} the start, {a, that + 1 + i / 4} word i % 4 the i-th swap.
std::int32_t PretrainingOrder::picked_cell(std::uint64_t epoch, std::uint64_t window,
                                           std::uint64_t pick) const {
  const auto words = [&](std::uint32_t block) {
    return core::philox(options_.seed, core::RandomUse::cells,
                        {low(window), high(window), low(epoch), (high(epoch) << 16U) + block});
  };
  thread_local std::vector<std::uint32_t> order;  // grown once
  order.resize(cells_.size());
  std::iota(order.begin(), order.end(), 0U);
  core::PhiloxBlock drawn{};
  for (std::uint32_t i = 0; i + 1 < order.size(); ++i) {
    if (i % 4 == 0) drawn = words(1 + i / 4);
    const auto left = static_cast<std::uint32_t>(order.size()) - i;
    std::swap(order[i], order[i + core::uniform_below(drawn[i % 4], left)]);
  }
  const std::uint64_t place = below(words(0), sum_) + pick * sum_;
  std::uint64_t end = 0;
  for (const std::uint32_t cell : order) {
    end += picks_ * weights_[cell];
    if (place < end) return cells_[cell];
  }
  throw core::LogicError("a pick lies past the last cell type");
}

// Jitter is drawn per sample: the cell types of one window see it at different places.
void PretrainingOrder::samples(std::uint64_t first_slot, std::span<core::SampleRef> out) const {
  const auto size = static_cast<std::uint64_t>(epoch_size());
  std::uint64_t slot = first_slot;
  for (core::SampleRef& sample : out) {
    const std::uint64_t pair = Permutation(options_.seed, slot / size, size)(slot % size);
    const std::uint64_t window = pair / picks_;
    const std::uint64_t pick = pair % picks_;
    const core::PhiloxBlock counter{low(slot), high(slot), 0, 0};
    const auto moved = core::philox(options_.seed, core::RandomUse::jitter, counter)[0];
    const auto flipped = core::philox(options_.seed, core::RandomUse::strand, counter)[0] >> 31U;
    sample = {};
    const auto index = static_cast<std::int64_t>(window);
    sample.window =
        options_.jitter ? windows_.jittered(index, core::uniform_float(moved)) : windows_.at(index);
    sample.cell = weights_.empty() ? cells_[pick] : picked_cell(slot / size, window, pick);
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
