// Small lists from each file's header: nothing here depends on how many intervals there are.
#include "data/vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "core/corpus.hpp"
#include "core/error.hpp"

namespace epi::data {
namespace {

// One byte holds 0 = missing, the states, and one more id for masked states in training.
constexpr std::size_t kMostStates = 254;
constexpr std::int64_t kManyBoundaries = 32;
constexpr std::int64_t kSmallestBinBp = 10;
constexpr std::int64_t kLargestBinBp = 1'000'000;

struct Sighting {
  const Segmentation* in;
  const NamedState* state;
};

std::string place(const Sighting& sighting) {
  return fmt::format("{}:{}", sighting.in->file, sighting.state->line);
}

/// One style for all states, and one label for each number.
void check_same(const Sighting& known, const Sighting& found) {
  if (known.state->style != found.state->style) {
    throw core::InputError(fmt::format(
        "{}: states are written like '{}', but like '{}' at {}; one store holds one vocabulary",
        place(found), found.state->style, known.state->style, place(known)));
  }
  if (known.state->number == found.state->number && known.state->label != found.state->label) {
    throw core::InputError(fmt::format(
        "{}: state {} is '{}', but '{}' at {}; one store holds one vocabulary", place(found),
        found.state->number, found.state->label, known.state->label, place(known)));
  }
}

std::string grid_text(const Segmentation& one) {
  return fmt::format("{}:{}: bins of {} bp", one.file, one.grid.line, one.grid.bin_bp);
}

/// Blames a file whose own grid is coarser than the common one, and one that does not lie on it.
void refuse_disagreement(std::span<const Segmentation> all, std::int64_t bin_bp) {
  for (const Segmentation& one : all) {
    if (one.grid.boundaries < kManyBoundaries || one.grid.bin_bp == bin_bp) continue;
    const auto other = std::find_if(all.begin(), all.end(), [&one](const Segmentation& candidate) {
      return candidate.grid.bin_bp % one.grid.bin_bp != 0;
    });
    throw core::InputError(fmt::format("two bin sizes in one sheet: {}; {}; one store holds one",
                                       grid_text(one), grid_text(*other)));
  }
}

}  // namespace

std::vector<State> common_vocabulary(std::span<const Segmentation> all) {
  std::map<std::int32_t, Sighting> by_number;
  for (const Segmentation& one : all) {
    for (const NamedState& state : one.states) {
      const Sighting found{&one, &state};
      // Against any state for the style, against its own number for the label.
      if (!by_number.empty()) check_same(by_number.begin()->second, found);
      check_same(by_number.try_emplace(state.number, found).first->second, found);
    }
  }
  if (by_number.size() > kMostStates) {
    throw core::InputError(fmt::format("{}: {} states; a segmentation has at most {}",
                                       all.front().file, by_number.size(), kMostStates));
  }
  std::vector<State> vocabulary;
  for (const auto& [number, sighting] : by_number) {
    vocabulary.push_back({number, sighting.state->label, {}});
  }
  return vocabulary;
}

std::int32_t common_bin(std::span<const Segmentation> all) {
  std::int64_t bin_bp = 0;
  for (const Segmentation& one : all) bin_bp = std::gcd(bin_bp, one.grid.bin_bp);
  if (bin_bp == 0) {
    throw core::InputError(all.front().file +
                           ": no bin size can be found: there is no boundary inside a contig");
  }
  refuse_disagreement(all, bin_bp);
  if (bin_bp < kSmallestBinBp || bin_bp > kLargestBinBp) {
    const auto worst = std::min_element(all.begin(), all.end(), [](const auto& a, const auto& b) {
      return a.grid.bin_bp != 0 && (b.grid.bin_bp == 0 || a.grid.bin_bp < b.grid.bin_bp);
    });
    throw core::InputError(fmt::format(
        "{}; expected {} to {} bp: boundaries that are multiples of the bin size, 0-based",
        grid_text(*worst), kSmallestBinBp, kLargestBinBp));
  }
  return static_cast<std::int32_t>(bin_bp);
}

std::vector<std::uint8_t> codes_by_number(std::span<const State> vocabulary) {
  std::vector<std::uint8_t> codes;
  for (const State& state : vocabulary) {  // ascending numbers
    codes.resize(static_cast<std::size_t>(state.number), core::kStateMissing);
    codes.push_back(static_cast<std::uint8_t>(&state - vocabulary.data() + 1));
  }
  return codes;
}

}  // namespace epi::data
