// What all segmentations of one store must share: the state vocabulary and the bin size. Both are
// discovered; a mixture of two models is an error here, not a strange loss after days of training.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/formats/state_names.hpp"
#include "data/formats/states_file.hpp"
#include "data/store.hpp"

namespace epi::data {

/// What one cell type's segmentation says about itself. Without any file there is no epigenome.
struct Segmentation {
  std::vector<std::string> files;  ///< as NamedState::file and Grid::file count them; for messages
  std::span<const NamedState> states;
  Grid grid;
};

/// The states of a store, and how the numbers in segmentations become its codes.
struct Vocabulary {
  std::vector<State> states;        ///< the state at index i has code i + 1
  std::vector<std::uint8_t> codes;  ///< by number; core::kStateMissing: none, or mapped to none
  std::vector<std::size_t>
      lacking;  ///< per segmentation: states, before the map, that it never shows
};

/// The union of all states, by number: the state at index i has code i + 1. InputError naming both
/// files and lines when one number has two labels or files write states in different ways, or when
/// there are more states than codes (254).
[[nodiscard]] std::vector<State> common_vocabulary(std::span<const Segmentation> all);

/// The vocabulary of a store: the common one or, with `names`, exactly theirs: cell types may then
/// write states in different ways. With `map`, its targets. Null: without. InputError: as above; a
/// state that `names` lack, or calls otherwise (see plain_label), with file and
/// line of both; states that the map lacks, see mapped_codes.
[[nodiscard]] Vocabulary make_vocabulary(std::span<const Segmentation> all, const StateNames* names,
                                         const StateMap* map);

/// The bin size: the greatest common divisor of all boundaries. A file with many boundaries must
/// show this very size; one with few (below 32) may show a multiple by chance. InputError naming
/// files and lines when two disagree, or when there is no grid of 10 bp to 1 Mb.
[[nodiscard]] std::int32_t common_bin(std::span<const Segmentation> all);

/// Code of each number that the vocabulary has, core::kStateMissing for others; index = number.
[[nodiscard]] std::vector<std::uint8_t> codes_by_number(std::span<const State> vocabulary);

}  // namespace epi::data
