// Small tables that users write by hand or in a spreadsheet: tab separated, UTF-8, with comments.
// The sample sheet and the tables about states are read with this.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/text_file.hpp"

namespace epi::data {

/// The next line that holds something; drops the byte order mark that spreadsheets write, skips
/// empty lines and those that start with '#'. InputError with file and line on what isn't text.
[[nodiscard]] bool next_row(TextFile& file, std::string_view& line);

/// The columns of a line, without blanks around them.
[[nodiscard]] std::vector<std::string_view> fields_of(std::string_view line);

/// A title as people vary it: lower case, letters and digits only. "STATE NO." is "stateno".
[[nodiscard]] std::string plain_title(std::string_view title);

/// The place in a header of the column with the first of `titles` that the header has, compared as
/// plain_title gives them.
[[nodiscard]] std::optional<std::size_t> find_column(std::span<const std::string_view> header,
                                                     std::span<const std::string_view> titles);

}  // namespace epi::data
