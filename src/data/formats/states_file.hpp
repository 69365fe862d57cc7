// One cell type's segmentation, in whichever form it is published. Everything that can be judged
// from one cell type alone is judged here; what needs all of them is in vocabulary.hpp and
// plan.hpp.
//
// Forms: BED whose fourth column names a state (ChromHMM's segments, mnemonics, stateno and dense,
// the latter with `track` lines); one state per line and bin ("statebyline": two header lines
// "CELL<TAB>CONTIG" and "MaxState E" or "MaxState 15", then the state of bin 0, 1, ...); bigBed
// with the state in its fourth column (IDEAS), whose records count as lines. Text is plain, gzip or
// bgzip. What a file is, its content says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/formats/big_file.hpp"
#include "data/store.hpp"

namespace epi::data {

/// One interval; `state` is the number in the file, `line` its place there.
struct StateInterval {
  std::int64_t start_bp = 0;
  std::int64_t end_bp = 0;
  std::int32_t state = 0;
  std::int32_t line = 0;
};

/// A contig's intervals, sorted and disjoint, all from one file.
struct ContigTrack {
  std::string name;
  std::vector<StateInterval> intervals;
  std::size_t file = 0;  ///< index into the files read
};

/// A state as a file names it.
struct NamedState {
  std::int32_t number = 0;
  std::string label;      ///< "TssA" of "1_TssA", else empty
  std::string style;      ///< how the file writes states: "E1", "1_Name", "1" or "Name"
  std::int64_t line = 0;  ///< where the state is first seen
  std::size_t file = 0;   ///< in which file that is
};

/// The grid that a file's boundaries lie on.
struct Grid {
  std::int64_t bin_bp = 0;      ///< greatest common divisor of the boundaries; 0: none is known
  std::int64_t boundaries = 0;  ///< how many boundaries other than 0 were seen
  std::int64_t line = 0;        ///< the line that brought the divisor to this value
  std::size_t file = 0;
};

struct StateTrack {
  std::vector<ContigTrack> contigs;  ///< in the order of files and lines
  std::vector<NamedState> states;    ///< by number
  Grid grid;
};

/// From so many boundaries on, a file's grid is its bin size; fewer may lie on a multiple by
/// chance.
inline constexpr std::int64_t kManyBoundaries = 32;

struct StatesFormat {
  std::int64_t line_bin_bp = 200;  ///< bin of files with one state per line; ChromHMM's default
  std::vector<State> names;        ///< --state-names: numbers of states written as "TssA"
  BigFileLimits big;
};

/// Reads a cell type's files; a contig lies in one of them. Lines of BED may be in any order. State
/// names are ChromHMM's "E1" (also T1, U1), mnemonics "1_TssA" (the label is what follows the first
/// underscore), bare numbers, or labels that `format.names` gives numbers to. The numbers of one
/// state per line are of style "E1" after "MaxState E" (T, U), of style "1" after a number. The
/// last end of each contig doesn't count for the grid: it may be the contig's end. InputError with
/// file and line: see parse_record and BigFile; an unknown form of state name; two forms or two bin
/// sizes in one cell type; one number with two labels; overlapping intervals (both lines); a state
/// above the file's own MaxState, or an empty line in such a file; a contig in two files; files of
/// two cells; no interval at all; a folder or a file that is no text; coordinates that look 1-based
/// (starts off by one from the bins).
[[nodiscard]] StateTrack read_states(std::span<const std::filesystem::path> files,
                                     const StatesFormat& format);

}  // namespace epi::data
