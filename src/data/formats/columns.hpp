// Columns of a text table and the numbers in them, for readers of tables with more columns than
// bed.hpp's records have.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "data/formats/text_file.hpp"

namespace epi::data {

/// Fills `columns` with views into `line`: split at every tab, or at runs of blanks in a line
/// without tabs.
void split_columns(std::string_view line, std::vector<std::string_view>& columns);

/// Whether `text` is a whole number from 0 to 2^40, digits only.
[[nodiscard]] bool is_whole_number(std::string_view text);

/// A whole number of at least `lowest`. InputError with file and line that names the column `what`.
[[nodiscard]] std::int64_t whole_number(const TextFile& file, std::string_view text,
                                        std::string_view what, std::int64_t lowest = 0);

/// Whether `text` is a number with or without a fraction or exponent; infinity is one. Blanks
/// around it are some writer's padding.
[[nodiscard]] bool is_number(std::string_view text);

/// A number that is not NaN. InputError as above.
[[nodiscard]] double number(const TextFile& file, std::string_view text, std::string_view what);

/// Without blanks at its ends.
[[nodiscard]] std::string_view without_blanks(std::string_view text);

}  // namespace epi::data
