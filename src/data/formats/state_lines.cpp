// An empty line between states would move all bins behind it: refused, where BED skips it.
#include "data/formats/state_lines.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "data/formats/bed.hpp"

namespace epi::data {
namespace {

constexpr std::int32_t kMostStates = 254;

std::string_view without_end_blanks(std::string_view line) {
  return line.substr(0, line.find_last_not_of(" \t") + 1);
}

using TwoWords = std::pair<std::string_view, std::string_view>;

/// The two words of a line that has two, separated by a tab or by a blank.
std::optional<TwoWords> two_words(std::string_view line) {
  line = without_end_blanks(line);
  const char separator = line.find('\t') != std::string_view::npos ? '\t' : ' ';
  const std::size_t cut = line.find(separator);
  if (cut == std::string_view::npos || cut == 0) return std::nullopt;
  const std::string_view rest = line.substr(cut + 1);
  if (rest.empty() || rest.find(separator) != std::string_view::npos) return std::nullopt;
  return TwoWords(line.substr(0, cut), rest);
}

std::optional<std::int32_t> whole_number(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct MaxState {
  std::string style;
  std::int32_t most = 0;
};

MaxState read_max_state(TextFile& text) {
  constexpr std::string_view kTitle = "MaxState";
  std::string_view line;
  if (!text.next_line(line) || !line.starts_with(kTitle)) {
    throw core::InputError(fmt::format(
        "{}:1: 2 columns; expected BED with at least 4 (contig, start, end, state), or a header "
        "CELL<TAB>CONTIG followed by a line 'MaxState E' and one state per line",
        text.name()));
  }
  line.remove_prefix(kTitle.size());
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  line = without_end_blanks(line);
  // The letter says how states were ordered, as in BED's "E13".
  if (line == "E" || line == "T" || line == "U") return {std::string(line) + "1", kMostStates};
  const auto most = whole_number(line);
  if (most && *most >= 1 && *most <= kMostStates) return {"1", *most};
  text.fail(
      fmt::format("MaxState '{}'; expected E, T, U or a number from 1 to {}", line, kMostStates));
}

std::int32_t state_in(std::string_view line, const MaxState& header, const TextFile& text) {
  const auto state = whole_number(line);
  if (state && *state >= 1 && *state <= header.most) return *state;
  text.fail(fmt::format("'{}' is no state; expected a number from 1 to {}", line, header.most));
}

}  // namespace

bool begins_state_lines(std::string_view line) {
  return holds_record(line) && two_words(line).has_value();
}

StateLines read_state_lines(TextFile& text, std::string_view first, std::int64_t bin_bp) {
  const TwoWords header = two_words(first).value();
  StateLines lines{std::string(header.first), std::string(header.second), {}, {}, {}, 0};
  const MaxState max_state = read_max_state(text);
  lines.style = max_state.style;
  lines.first_line.resize(static_cast<std::size_t>(max_state.most) + 1);
  std::int64_t empty_line = 0;
  std::string_view line;
  while (text.next_line(line)) {
    line = without_end_blanks(line);
    if (line.empty() && empty_line == 0) empty_line = text.line_number();
    if (line.empty()) continue;
    if (empty_line > 0) {
      LinePlace{text.name(), empty_line}.fail(
          "an empty line between states; every line is a bin: expected its state");
    }
    if (text.line_number() > std::numeric_limits<std::int32_t>::max()) text.fail("too many lines");
    const std::int32_t state = state_in(line, max_state, text);
    std::int64_t& seen = lines.first_line[static_cast<std::size_t>(state)];
    if (seen == 0) seen = text.line_number();
    const std::int64_t start_bp = lines.bins * bin_bp;
    if (lines.runs.empty() || lines.runs.back().state != state) {
      lines.runs.push_back(
          {start_bp, start_bp, state, static_cast<std::int32_t>(text.line_number())});
    }
    lines.runs.back().end_bp = start_bp + bin_bp;
    ++lines.bins;
  }
  if (lines.bins == 0) throw core::InputError(text.name() + ": holds no state");
  return lines;
}

}  // namespace epi::data
