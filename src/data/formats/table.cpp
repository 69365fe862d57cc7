// Rows and columns only; what they mean is the caller's.
#include "data/formats/table.hpp"

#include <algorithm>

namespace epi::data {
namespace {

/// Blanks around a field are a spreadsheet's, not the user's.
std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

bool next_row(TextFile& file, std::string_view& line) {
  while (file.next_line(line)) {
    if (file.line_number() == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    if (line.find_first_not_of(" \t") == std::string_view::npos || line[0] == '#') continue;
    if (!is_plain_text(line)) file.fail("not UTF-8 text; save the table as UTF-8");
    return true;
  }
  return false;
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  while (true) {
    const std::size_t end = line.find('\t');
    fields.push_back(trimmed(line.substr(0, end)));
    if (end == std::string_view::npos) return fields;
    line.remove_prefix(end + 1);
  }
}

std::string plain_title(std::string_view title) {
  std::string plain;
  for (const char letter : title) {
    if (letter >= 'A' && letter <= 'Z') {
      plain += static_cast<char>(letter - 'A' + 'a');
    } else if ((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9')) {
      plain += letter;
    }
  }
  return plain;
}

std::optional<std::size_t> find_column(std::span<const std::string_view> header,
                                       std::span<const std::string_view> titles) {
  for (const std::string_view title : titles) {
    for (std::size_t place = 0; place < header.size(); ++place) {
      if (plain_title(header[place]) == title) return place;
    }
  }
  return std::nullopt;
}

}  // namespace epi::data
