// Nothing is copied: columns live as long as the line that they are views of.
#include "data/formats/columns.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>

namespace epi::data {
namespace {

/// Above any coordinate or count of a genome, far below what sums overflow at.
constexpr std::int64_t kHighest = std::int64_t{1} << 40;

template <class Number>
std::optional<Number> parsed(std::string_view text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data(), end, value);
  if (problem != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

void split_columns(std::string_view line, std::vector<std::string_view>& columns) {
  columns.clear();
  const bool tabs = line.find('\t') != std::string_view::npos;
  while (true) {
    // Between tabs a column may be empty or hold blanks; runs of blanks separate once.
    if (!tabs) line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    if (!tabs && line.empty()) return;
    const std::size_t end = line.find(tabs ? '\t' : ' ');
    columns.push_back(line.substr(0, end));
    if (end == std::string_view::npos) return;
    line.remove_prefix(end + 1);
  }
}

bool is_whole_number(std::string_view text) {
  const auto value = parsed<std::int64_t>(text);
  return value && *value >= 0 && *value <= kHighest && text[0] != '-';
}

std::int64_t whole_number(const TextFile& file, std::string_view text, std::string_view what,
                          std::int64_t lowest) {
  const auto value = parsed<std::int64_t>(text);
  if (!value) file.fail(fmt::format("{} '{}' is not a whole number", what, text));
  if (*value < lowest || *value > kHighest) {
    file.fail(fmt::format("{} {} is outside of {}..{}", what, *value, lowest, kHighest));
  }
  return *value;
}

bool is_number(std::string_view text) {
  const auto value = parsed<double>(without_blanks(text));
  return value && !std::isnan(*value);
}

double number(const TextFile& file, std::string_view text, std::string_view what) {
  const auto value = parsed<double>(without_blanks(text));
  if (!value || std::isnan(*value)) {
    file.fail(fmt::format("{} '{}' is not a number", what, text));
  }
  return *value;
}

std::string_view without_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace epi::data
