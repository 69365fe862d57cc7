// What tables of names and maps of states share: how a field is read and what is wrong with it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/formats/state_names.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {

/// One byte, less the codes of missing and of masked states.
inline constexpr std::size_t kMostStates = 254;

/// "255,0,0" of "255,0,0" or "#ff0000", empty of nothing. InputError with file and line.
[[nodiscard]] std::string colour_of(const TextFile& file, std::string_view text);

/// A state's number as parse_state reads it. InputError with file and line.
[[nodiscard]] StateSpelling number_of(const TextFile& file, std::string_view text);

/// The field at a place, empty where the row or the column is too short or not there.
[[nodiscard]] std::string_view field(std::span<const std::string_view> fields,
                                     std::optional<std::size_t> place);

}  // namespace epi::data
