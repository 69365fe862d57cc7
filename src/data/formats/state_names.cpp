// Both tables are read row by row and checked as they come; a map is one more column than names.
#include "data/formats/state_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "core/corpus.hpp"
#include "core/error.hpp"
#include "data/formats/table.hpp"

namespace epi::data {
namespace {

constexpr std::int32_t kHighestNumber = 9999;  // more is not a state's number but a score or an id
constexpr std::size_t kMostStates = 254;       // one byte, less missing and masked
constexpr std::size_t kListed = 8;             // names in a message

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

std::string_view field(const Fields& fields, std::optional<std::size_t> place) {
  return place && *place < fields.size() ? fields[*place] : std::string_view();
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

/// A map's targets as rows name them, one after the other.
class MapReader {
 public:
  explicit MapReader(const std::filesystem::path& path) : file_(path) { map_.file = file_.name(); }

  StateMap read() {
    std::string_view line;
    bool first = true;
    while (next_row(file_, line)) {
      const Fields fields = fields_of(line);
      if (!(first && is_header(fields))) add(fields);
      first = false;
    }
    if (map_.target.empty()) throw core::InputError(file_.name() + ": maps no state");
    for (auto& [number, state] : targets_) map_.states.push_back(std::move(state));
    if (map_.states.empty()) throw core::InputError(file_.name() + ": makes every state missing");
    if (map_.states.size() > kMostStates) {
      throw core::InputError(fmt::format("{}: {} states; a vocabulary has at most {}", file_.name(),
                                         map_.states.size(), kMostStates));
    }
    return std::move(map_);
  }

 private:
  static bool is_header(const Fields& fields) {
    return fields.size() >= 2 && plain_title(fields[0]) == "from" && plain_title(fields[1]) == "to";
  }

  void add(const Fields& fields) {
    if (fields.size() < 2) {
      file_.fail("1 column; expected FROM<TAB>TO, or FROM<TAB>TO<TAB>LABEL<TAB>COLOUR");
    }
    const StateSpelling from = number_of(file_, fields[0]);
    const bool missing = fields[1] == "-";
    const StateSpelling to = missing ? StateSpelling{-1, {}, {}} : number_of(file_, fields[1]);
    if (!map_.target.emplace(from.number, to.number).second) {
      file_.fail(fmt::format("state {} is mapped twice", from.number));
    }
    if (!from.label.empty()) map_.from_labels.emplace(from.number, from.label);
    if (missing) return;
    std::string_view label = field(fields, 2);
    if (label.empty()) label = to.label;
    name_target({to.number, std::string(label), colour_of(file_, field(fields, 3))});
  }

  /// Rows may leave label and colour to another row of the same target, but not contradict it.
  void name_target(State state) {
    State& known = targets_.try_emplace(state.number, State{state.number, {}, {}}).first->second;
    if (!state.label.empty()) {
      const auto owner = labels_.emplace(plain_label(state.label), state.number).first;
      if (owner->second != state.number) {
        file_.fail(fmt::format("label '{}' is that of state {} too", state.label, owner->second));
      }
    }
    keep(known.label, state.label, state.number, "called");
    keep(known.colour, state.colour, state.number, "coloured");
  }

  void keep(std::string& known, const std::string& found, std::int32_t number,
            std::string_view what) {
    if (!known.empty() && !found.empty() && known != found) {
      file_.fail(
          fmt::format("state {} is {} '{}' here and '{}' above", number, what, found, known));
    }
    if (known.empty()) known = found;
  }

  TextFile file_;
  StateMap map_;
  std::map<std::int32_t, State> targets_;
  std::map<std::string, std::int32_t> labels_;
};

std::string name_of(const State& state) {
  return state.label.empty() ? fmt::format("{}", state.number)
                             : fmt::format("{}_{}", state.number, state.label);
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kListed); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return names.size() > kListed ? fmt::format("{} and {} more", text, names.size() - kListed)
                                : text;
}

bool contradict(const std::string& a, const std::string& b) {
  return !a.empty() && !b.empty() && plain_label(a) != plain_label(b);
}

[[noreturn]] void fail_label(const StateMap& map, std::int32_t number, const std::string& in_map,
                             const std::string& label) {
  throw core::InputError(fmt::format(
      "{}: state {} is '{}' in the map, but '{}' in the vocabulary that it is used with", map.file,
      number, in_map, label));
}

/// Codes of the targets in `to`, by number.
std::map<std::int32_t, std::uint8_t> target_codes(const StateMap& map,
                                                  const std::vector<State>& to) {
  std::map<std::int32_t, std::uint8_t> codes;
  std::vector<std::string> lacking;
  for (const State& target : map.states) {
    const auto found = std::find_if(to.begin(), to.end(), [&target](const State& state) {
      return state.number == target.number;
    });
    if (found == to.end()) {
      lacking.push_back(name_of(target));
      continue;
    }
    if (contradict(target.label, found->label)) {
      fail_label(map, target.number, target.label, found->label);
    }
    codes[target.number] = static_cast<std::uint8_t>(found - to.begin() + 1);
  }
  if (lacking.empty()) return codes;
  throw core::InputError(
      fmt::format("{}: maps to states that the vocabulary lacks: {}", map.file, list_of(lacking)));
}

}  // namespace

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

StateMap read_state_map(const std::filesystem::path& path) {
  return MapReader(path).read();
}

std::vector<std::uint8_t> mapped_codes(const StateMap& map, const std::vector<State>& from,
                                       const std::vector<State>& to) {
  const auto targets = target_codes(map, to);
  std::vector<std::uint8_t> codes = {core::kStateMissing};
  std::vector<std::string> lacking;
  for (const State& state : from) {
    codes.push_back(core::kStateMissing);
    const auto target = map.target.find(state.number);
    if (target == map.target.end()) {
      lacking.push_back(name_of(state));
      continue;
    }
    const auto label = map.from_labels.find(state.number);
    if (label != map.from_labels.end() && contradict(label->second, state.label)) {
      fail_label(map, state.number, label->second, state.label);
    }
    if (target->second >= 0) codes.back() = targets.at(target->second);
  }
  if (lacking.empty()) return codes;
  throw core::InputError(
      fmt::format("{}: no row for states {}; add one for each, with '-' for bins without a state",
                  map.file, list_of(lacking)));
}

}  // namespace epi::data
