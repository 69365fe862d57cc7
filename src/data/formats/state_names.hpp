// What states are called: how files spell them, tables of names that users write, and tables that
// turn the states of one model into those of another.
//
//   names  := [header] row*   tab separated; empty lines and lines starting with '#' are skipped
//   row    := NUMBER LABEL [COLOUR ...]      without a header, or in the columns that it names
//   header := a first row that does not start with a NUMBER. Columns are known by their titles, in
//             any case and with any punctuation:
//               number   one_index, state_number, state no., state, number
//               label    short_name, mnemonic (also "mnenomic", as Roadmap has it), state_name,
//                        label, name
//               colour   itemRgb, hex, rgb, color_code, colour_code, colour, color
//             the first of each list that is there counts; others are ignored
//   NUMBER := "1", "E1" (also T1, U1) or "1_TssA"; with the latter LABEL may be left out
//   COLOUR := "R,G,B" or "#RRGGBB", may be empty
//
//   map    := ["from" "to" ["label" ["colour"]]] maprow*
//   maprow := FROM TO [LABEL [COLOUR]]       states FROM become TO, which is called LABEL; FROM and
//             TO as NUMBER above; TO "-" makes the bins missing
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/store.hpp"

namespace epi::data {

/// A state as text writes it. Views into that text.
struct StateSpelling {
  std::int32_t number = 0;
  std::string_view label;  ///< "TssA" of "1_TssA", else empty
  std::string_view style;  ///< "E1", "T1", "U1", "1_Name" or "1"
};

/// Splits "E1", "1_TssA" or "1" (blanks behind it are ignored); nothing for any other text and for
/// numbers above 9999, which are scores or ids.
[[nodiscard]] std::optional<StateSpelling> parse_state(std::string_view text);

/// Labels that mean the same compare equal in this form: case, '/' against '_' and the prime of
/// "Tx5'" against the p of "Tx5p" differ between publications of one model.
[[nodiscard]] std::string plain_label(std::string_view label);

/// A table of names.
struct StateNames {
  std::string file;           ///< for messages
  std::vector<State> states;  ///< ascending by number
};

/// InputError with file and line: no number, no label, a number or label twice, a colour that is
/// none, a header without known columns, an empty file, more than 254 states.
[[nodiscard]] StateNames read_state_names(const std::filesystem::path& path);

/// From one vocabulary to another.
struct StateMap {
  std::string file;                                 ///< for messages
  std::map<std::int32_t, std::int32_t> target;      ///< number -> number; -1: missing
  std::map<std::int32_t, std::string> from_labels;  ///< of FROM, where the map gives them
  std::vector<State> states;                        ///< all targets, ascending
};

/// InputError with file and line: a state mapped twice, two labels or colours for one target, a
/// label for two targets, no number, a header of other titles, an empty file.
[[nodiscard]] StateMap read_state_map(const std::filesystem::path& path);

/// Code in `to` of each state code of `from`: index = code, [0] = missing. `to` is the map's
/// vocabulary or a superset of it. InputError naming the states of `from` that the map lacks, the
/// targets that `to` lacks, and labels that differ between map and vocabulary (see plain_label).
[[nodiscard]] std::vector<std::uint8_t> mapped_codes(const StateMap& map,
                                                     const std::vector<State>& from,
                                                     const std::vector<State>& to);

}  // namespace epi::data
