// Tables about states that users write: what the states of a model are called, and how the states
// of one model become those of another.
//
//   names := row*       "NUMBER LABEL [COLOUR ...]"; NUMBER as 1 or E1 or 1_TssA, COLOUR as R,G,B
//   or
//                       #RRGGBB; a header row and '#' lines are skipped; tab separated
//   map   := row*       "FROM TO [LABEL [COLOUR]]": states FROM become TO, which is called LABEL;
//                       FROM and TO as NUMBER above; a TO of "-" makes a bin missing
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "data/store.hpp"

namespace epi::data {

/// Reads a table of names, ascending by number. InputError with file and line: no number, a number
/// or label twice, a colour that is none, an empty file.
[[nodiscard]] std::vector<State> read_state_names(const std::filesystem::path& path);

/// From one vocabulary to another.
struct StateMap {
  std::string file;                             ///< for messages
  std::map<std::int32_t, std::int32_t> target;  ///< number -> number; -1: missing
  std::vector<State> states;                    ///< all targets, ascending
};

/// Reads a map. InputError with file and line: a state mapped twice, two labels for one target, an
/// empty file.
[[nodiscard]] StateMap read_state_map(const std::filesystem::path& path);

/// Code in `to` of each state code of `from`: index = code, [0] = missing. `to` is the map's
/// vocabulary or a superset of it. InputError naming the states of `from` that the map lacks, or
/// targets that `to` lacks.
[[nodiscard]] std::vector<std::uint8_t> mapped_codes(const StateMap& map,
                                                     const std::vector<State>& from,
                                                     const std::vector<State>& to);

}  // namespace epi::data
