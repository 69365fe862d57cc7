// One cell type's segmentation: a BED file whose fourth column names a chromatin state. Everything
// that can be judged from one file alone is judged here; what needs all files is in vocabulary.hpp
// and plan.hpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace epi::data {

/// One interval; `state` is the number in the file, `line` its place there.
struct StateInterval {
  std::int64_t start_bp = 0;
  std::int64_t end_bp = 0;
  std::int32_t state = 0;
  std::int32_t line = 0;
};

/// A contig's intervals, sorted and disjoint.
struct ContigTrack {
  std::string name;
  std::vector<StateInterval> intervals;
};

/// A state as a file names it.
struct NamedState {
  std::int32_t number = 0;
  std::string label;      ///< "TssA" of "1_TssA", else empty
  std::string style;      ///< how the file writes states: "E1", "1_Name" or "1"
  std::int64_t line = 0;  ///< where the state is first seen
};

/// The grid that a file's boundaries lie on.
struct Grid {
  std::int64_t bin_bp = 0;      ///< greatest common divisor of the boundaries; 0: none is known
  std::int64_t boundaries = 0;  ///< how many boundaries other than 0 were seen
  std::int64_t line = 0;        ///< the line that brought the divisor to this value
};

struct StateTrack {
  std::vector<ContigTrack> contigs;  ///< in file order
  std::vector<NamedState> states;    ///< by number
  Grid grid;
};

/// Reads a segmentation (plain, gzip or bgzip; any order of lines). State names are ChromHMM's
/// "E1" (also T1, U1), mnemonics "1_TssA" (the label is what follows the first underscore) or bare
/// numbers. The last end of each contig doesn't count for the grid: it may be the contig's end.
/// InputError with file and line: see next_record; an unknown form of state name; two forms in one
/// file; one number with two labels; overlapping intervals (both lines); a file without intervals.
[[nodiscard]] StateTrack read_states_bed(const std::filesystem::path& path);

}  // namespace epi::data
