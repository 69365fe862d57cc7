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
constexpr std::int64_t kSmallestBinBp = 10;
constexpr std::int64_t kLargestBinBp = 1'000'000;

struct Sighting {
  const Segmentation* in;
  const NamedState* state;
};

std::string place(const Sighting& sighting) {
  return fmt::format("{}:{}", sighting.in->files.at(sighting.state->file), sighting.state->line);
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
  return fmt::format("{}:{}: bins of {} bp", one.files.at(one.grid.file), one.grid.line,
                     one.grid.bin_bp);
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

/// A file to name when all are concerned.
std::string any_file(std::span<const Segmentation> all) {
  for (const Segmentation& one : all) {
    if (!one.files.empty()) return one.files.front();
  }
  throw core::InputError(
      "no cell type of the sheet has a segmentation: neither states nor a bin size are known; name "
      "a file in the column 'path' of one at least");
}

/// The list's state of that number. Labels that differ by more than plain_label levels are those of
/// another model.
void check_named(const StateNames& names, const Sighting& found) {
  const auto known =
      std::find_if(names.states.begin(), names.states.end(),
                   [&found](const State& state) { return state.number == found.state->number; });
  if (known == names.states.end()) {
    throw core::InputError(
        fmt::format("{}: state {} is not in {}, whose states are {} to {} ({} of them)",
                    place(found), found.state->number, names.file, names.states.front().number,
                    names.states.back().number, names.states.size()));
  }
  if (found.state->label.empty() || plain_label(found.state->label) == plain_label(known->label)) {
    return;
  }
  throw core::InputError(
      fmt::format("{}: state {} is '{}', but '{}' in {}; is it the list of another "
                  "model?",
                  place(found), found.state->number, found.state->label, known->label, names.file));
}

std::vector<State> named_vocabulary(std::span<const Segmentation> all, const StateNames& names) {
  for (const Segmentation& one : all) {
    for (const NamedState& state : one.states) check_named(names, {&one, &state});
  }
  return names.states;
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
                                       any_file(all), by_number.size(), kMostStates));
  }
  std::vector<State> vocabulary;
  for (const auto& [number, sighting] : by_number) {
    vocabulary.push_back({number, sighting.state->label, {}});
  }
  return vocabulary;
}

Vocabulary make_vocabulary(std::span<const Segmentation> all, const StateNames* names,
                           const StateMap* map) {
  Vocabulary vocabulary;
  vocabulary.states = names != nullptr ? named_vocabulary(all, *names) : common_vocabulary(all);
  for (const Segmentation& one : all) {
    const std::size_t shown = one.files.empty() ? vocabulary.states.size() : one.states.size();
    vocabulary.lacking.push_back(vocabulary.states.size() - shown);
  }
  vocabulary.codes = codes_by_number(vocabulary.states);
  if (map == nullptr) return vocabulary;
  const auto mapped = mapped_codes(*map, vocabulary.states, map->states);
  for (std::uint8_t& code : vocabulary.codes) code = mapped.at(code);
  vocabulary.states = map->states;
  return vocabulary;
}

std::int32_t common_bin(std::span<const Segmentation> all) {
  std::int64_t bin_bp = 0;
  for (const Segmentation& one : all) bin_bp = std::gcd(bin_bp, one.grid.bin_bp);
  if (bin_bp == 0) {
    throw core::InputError(any_file(all) +
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
