// A map is read row by row and checked as it comes; what it means for two vocabularies is worked
// out when both are known.
#include <fmt/format.h>

#include <algorithm>

#include "core/corpus.hpp"
#include "core/error.hpp"
#include "data/formats/state_fields.hpp"
#include "data/formats/state_names.hpp"
#include "data/formats/table.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kListed = 8;  // names in a message

using Fields = std::vector<std::string_view>;

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
