// One state per line: the form ChromHMM writes next to its BED files ("statebyline"). Line k + 3
// holds the state of bin k of one contig.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/states_file.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {

/// Whether a text that begins with this line has one state per line: "CELL<TAB>CONTIG".
[[nodiscard]] bool begins_state_lines(std::string_view line);

/// One file's content; runs of equal states are intervals.
struct StateLines {
  std::string cell, contig;  ///< from the header
  std::string style;         ///< "E1" after "MaxState E" (T, U), "1" after a number
  std::vector<StateInterval> runs;
  std::vector<std::int64_t> first_line;  ///< by number: where the state is first seen, 0: nowhere
  std::int64_t bins = 0;
};

/// Reads the rest of a text whose first line, `first`, has been read. The last bin may reach past
/// the contig's end. InputError with file and line: no MaxState in the second line, a MaxState or
/// state outside of 1..254 or above MaxState, an empty line that is not at the end, no state.
[[nodiscard]] StateLines read_state_lines(TextFile& text, std::string_view first,
                                          std::int64_t bin_bp);

}  // namespace epi::data
