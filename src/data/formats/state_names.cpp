// Rows are checked as they come. What both tables about states share is declared in
// state_fields.hpp; maps are in state_map.cpp.
#include "data/formats/state_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error.hpp"
#include "data/formats/state_fields.hpp"
#include "data/formats/table.hpp"

namespace epi::data {
namespace {

constexpr std::int32_t kHighestNumber = 9999;  // more is not a state's number but a score or an id

using Titles = std::vector<std::string_view>;
using Fields = std::vector<std::string_view>;

std::optional<int> channel(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = problem == std::errc() && end == text.data() + text.size();
  if (!whole || value < 0 || value > 255) return std::nullopt;
  return value;
}

/// "255,0,0".
std::optional<std::string> triple(std::string_view text) {
  std::array<std::optional<int>, 3> parts;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t comma = text.find(',');
    if ((comma == std::string_view::npos) != (i == 2)) return std::nullopt;
    parts.at(i) = channel(text.substr(0, comma));
    if (!parts.at(i)) return std::nullopt;
    if (i < 2) text.remove_prefix(comma + 1);
  }
  return fmt::format("{},{},{}", *parts[0], *parts[1], *parts[2]);
}

/// "#ff0000".
std::optional<std::string> hexadecimal(std::string_view text) {
  unsigned value = 0;
  if (text.size() != 7) return std::nullopt;
  const auto [end, problem] = std::from_chars(text.data() + 1, text.data() + 7, value, 16);
  if (problem != std::errc() || end != text.data() + 7) return std::nullopt;
  return fmt::format("{},{},{}", value >> 16U, (value >> 8U) & 255U, value & 255U);
}

/// Which columns of a table of names hold what.
struct Columns {
  std::size_t number = 0;
  std::optional<std::size_t> label = 1;
  std::optional<std::size_t> colour = 2;
};

Columns read_header(const TextFile& file, const Fields& header) {
  const auto number =
      find_column(header, Titles{"oneindex", "statenumber", "stateno", "state", "number"});
  const auto label = find_column(
      header, Titles{"shortname", "mnemonic", "mnenomic", "statename", "label", "name"});
  if (!number || !label) {
    file.fail(fmt::format(
        "'{}' is no state's number, and as a header it lacks a column of {}; expected rows "
        "NUMBER<TAB>LABEL, or a header with titles such as state, mnemonic, itemRgb",
        header[0], number ? "labels" : "numbers"));
  }
  return {*number, label,
          find_column(header, Titles{"itemrgb", "hex", "rgb", "colorcode", "colourcode", "colour",
                                     "color"})};
}

/// Where numbers and labels were seen, so that the second can be refused by naming the first.
struct Seen {
  std::map<std::int32_t, std::int64_t> numbers;
  std::map<std::string, std::int64_t> labels;
};

State read_name(const TextFile& file, const Fields& fields, const Columns& columns, Seen& seen) {
  const StateSpelling spelling = number_of(file, field(fields, columns.number));
  std::string_view label = field(fields, columns.label);
  if (label.empty()) label = spelling.label;
  if (label.empty()) {
    file.fail(fmt::format("state {} has no label; expected NUMBER<TAB>LABEL", spelling.number));
  }
  const std::int64_t line = file.line_number();
  const auto [number, new_number] = seen.numbers.emplace(spelling.number, line);
  if (!new_number) {
    file.fail(fmt::format("state {} was already on line {}", spelling.number, number->second));
  }
  const auto [known, new_label] = seen.labels.emplace(plain_label(label), line);
  if (!new_label) file.fail(fmt::format("label '{}' was already on line {}", label, known->second));
  return {spelling.number, std::string(label), colour_of(file, field(fields, columns.colour))};
}

void sort_states(std::vector<State>& states) {
  std::sort(states.begin(), states.end(),
            [](const State& a, const State& b) { return a.number < b.number; });
}

}  // namespace

std::string colour_of(const TextFile& file, std::string_view text) {
  if (text.empty()) return {};
  const auto colour = text[0] == '#' ? hexadecimal(text) : triple(text);
  if (!colour) {
    file.fail(fmt::format("'{}' is no colour; expected R,G,B (0 to 255) or #RRGGBB", text));
  }
  return *colour;
}

StateSpelling number_of(const TextFile& file, std::string_view text) {
  const auto spelling = parse_state(text);
  if (!spelling) {
    file.fail(
        fmt::format("'{}' is no state's number; expected 1, E1 or 1_Name, tab separated", text));
  }
  return *spelling;
}

std::string_view field(std::span<const std::string_view> fields, std::optional<std::size_t> place) {
  return place && *place < fields.size() ? fields[*place] : std::string_view();
}

std::optional<StateSpelling> parse_state(std::string_view text) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::string_view digits = text;
  std::string_view style = "1";
  // ChromHMM's prefix says how states were ordered: by emission, transition or user.
  if (!text.empty() && (text[0] == 'E' || text[0] == 'T' || text[0] == 'U')) {
    style = text[0] == 'E' ? "E1" : text[0] == 'T' ? "T1" : "U1";
    digits.remove_prefix(1);
  }
  std::int32_t number = -1;
  const char* last = digits.data() + digits.size();
  const auto [end, problem] = std::from_chars(digits.data(), last, number);
  std::string_view label;
  if (problem == std::errc() && end != last && *end == '_' && style == "1") {
    style = "1_Name";
    label = std::string_view(end + 1, static_cast<std::size_t>(last - end - 1));
  }
  const bool whole = problem == std::errc() && (end == last || !label.empty());
  if (!whole || number < 0 || number > kHighestNumber) return std::nullopt;
  return StateSpelling{number, label, style};
}

std::string plain_label(std::string_view label) {
  std::string plain(label);
  for (char& letter : plain) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
    if (letter == '/') letter = '_';
    if (letter == '\'') letter = 'p';
  }
  return plain;
}

StateNames read_state_names(const std::filesystem::path& path) {
  TextFile file(path);
  StateNames names{file.name(), {}};
  Columns columns;
  Seen seen;
  std::string_view line;
  bool first = true;
  while (next_row(file, line)) {
    const Fields fields = fields_of(line);
    if (first && !parse_state(fields[0])) {
      columns = read_header(file, fields);
    } else {
      names.states.push_back(read_name(file, fields, columns, seen));
    }
    first = false;
  }
  if (names.states.empty()) throw core::InputError(file.name() + ": names no state");
  if (names.states.size() > kMostStates) {
    throw core::InputError(fmt::format("{}: {} states; a vocabulary has at most {}", file.name(),
                                       names.states.size(), kMostStates));
  }
  sort_states(names.states);
  return names;
}

}  // namespace epi::data
