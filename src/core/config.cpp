// toml++ behind our own words: every error of the parser becomes ConfigError "FILE:LINE: ...", and
// what was asked for is remembered, to refuse unknown keys and to print the resolved configuration.
#include "core/config.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "core/config_toml.hpp"
#include "core/files.hpp"

namespace epi::core {
namespace {

using Path = std::vector<std::string>;

Path split(std::string_view key) {
  Path path;
  while (true) {
    const std::size_t dot = key.find('.');
    path.emplace_back(key.substr(0, dot));
    if (dot == std::string_view::npos) return path;
    key.remove_prefix(dot + 1);
  }
}

/// The section that holds the last part of `path`, made when absent; null where a value is in the
/// way.
toml::table* make_section(toml::table& root, const Path& path) {
  toml::table* section = &root;
  for (std::size_t depth = 0; depth + 1 < path.size(); ++depth) {
    section->insert(path[depth], toml::table());
    section = section->get(path[depth])->as_table();
    if (section == nullptr) return nullptr;
  }
  return section;
}

const toml::node* find(const toml::table& root, std::string_view key) {
  const toml::node* node = &root;
  for (const std::string& part : split(key)) {
    const toml::table* section = node->as_table();
    if (section == nullptr) return nullptr;
    node = section->get(part);
    if (node == nullptr) return nullptr;
  }
  return node;
}

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "true or false";
    default:
      return "a date or time";
  }
}

bool is_bare_key(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Number of single-character edits between two texts (Levenshtein 1966), row by row.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

/// The known key that was probably meant: few edits away, or the same name in another section.
std::string nearest(const std::string& key, const std::map<std::string, toml::table>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, key.size() / 3) + 1;
  for (const auto& [candidate, value] : known) {
    const bool moved = split(candidate).back() == split(key).back();
    const std::size_t distance = std::min(edit_distance(key, candidate), moved ? 2U : key.size());
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

/// "value = TEXT" as TOML, whose only key is "value"; nothing when TEXT is no TOML value.
std::optional<toml::table> parse_value(std::string_view text) {
  try {
    toml::table parsed = toml::parse(fmt::format("value = {}", text));
    if (parsed.size() == 1) return parsed;
  } catch (const toml::parse_error&) {
    // Perhaps a bare word: the caller decides.
  }
  return std::nullopt;
}

}  // namespace

struct Config::State {
  std::string name;
  toml::table values;
  std::set<std::string> overridden;
  /// Key -> the value that was handed out, under the name "value".
  std::map<std::string, toml::table> read;

  [[nodiscard]] bool is_overridden(std::string_view key) const {
    return std::any_of(overridden.begin(), overridden.end(), [&](const std::string& set) {
      return key.substr(0, set.size()) == set &&
             (key.size() == set.size() || key[set.size()] == '.');
    });
  }

  [[nodiscard]] std::string where(std::string_view key) const {
    if (is_overridden(key)) return "--set";
    const toml::node* node = find(values, key);
    if (node == nullptr) return "default";
    return fmt::format("{}:{}", name, node->source().begin.line);
  }

  [[noreturn]] void wrong_type(std::string_view key, const toml::node& found,
                               const char* expected) const {
    throw ConfigError(
        fmt::format("{}: {} is {}, expected {}", where(key), key, type_name(found), expected));
  }

  /// The value at `key` as T, or the fallback; either way the key counts as known from now on.
  template <class T>
  T get(std::string_view key, const T& fallback, const char* expected) {
    T value = fallback;
    if (const toml::node* node = find(values, key)) {
      // An integer is a double; a double is no integer, and text is no number.
      const std::optional<T> found =
          std::is_same_v<T, double> ? node->value<T>() : node->value_exact<T>();
      if (!found || (std::is_same_v<T, double> && !node->is_number())) {
        wrong_type(key, *node, expected);
      }
      value = *found;
    }
    read.insert_or_assign(std::string(key), toml::table{{"value", value}});
    return value;
  }

  /// Names every leaf below `section` (and every empty section) that nobody has read.
  void list_unread(const toml::table& section, const std::string& prefix,
                   std::vector<std::string>& keys) const {
    for (const auto& [name_of_key, node] : section) {
      const std::string key = prefix + std::string(name_of_key.str());
      const toml::table* inner = node.as_table();
      if (inner != nullptr && !inner->empty()) {
        list_unread(*inner, key + '.', keys);
      } else if (inner != nullptr ? !is_known_section(key) : !read.contains(key)) {
        keys.push_back(key);
      }
    }
  }

  [[nodiscard]] bool is_known_section(const std::string& key) const {
    const auto next = read.lower_bound(key + '.');
    return next != read.end() && next->first.starts_with(key + '.');
  }
};

Config::Config(std::unique_ptr<State> state) : state_(std::move(state)) {}
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;
Config::~Config() = default;

Config Config::from_file(const std::filesystem::path& path) {
  return from_text(read_text(path), path.string());
}

Config Config::from_text(std::string_view text, std::string name) {
  auto state = std::make_unique<State>();
  state->values = parse_toml(text, name);
  state->name = std::move(name);
  return Config(std::move(state));
}

void Config::set(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  const std::string key(trim(assignment.substr(0, equals)));
  const Path path = split(key);
  if (equals == std::string_view::npos || !std::all_of(path.begin(), path.end(), is_bare_key)) {
    throw ConfigError(fmt::format("--set {}: expected section.key=value", assignment));
  }
  const std::string_view text = trim(assignment.substr(equals + 1));
  std::optional<toml::table> parsed = parse_value(text);
  if (!parsed && (text.empty() || std::string_view("\"'[{").find(text[0]) != text.npos)) {
    throw ConfigError(
        fmt::format("--set {}: the value is not TOML; write 1, 0.5, true, word, "
                    "\"some words\" or [\"a\", \"b\"]",
                    assignment));
  }
  if (!parsed) parsed = toml::table{{"value", text}};
  toml::table* section = make_section(state_->values, path);
  if (section == nullptr) {
    throw ConfigError(fmt::format("--set {}: a part of the key is a value in {}, not a section",
                                  assignment, state_->name));
  }
  section->insert_or_assign(path.back(), *parsed->get("value"));
  state_->overridden.insert(key);
}

bool Config::get(std::string_view key, bool fallback) {
  return state_->get(key, fallback, "true or false");
}

std::int64_t Config::get(std::string_view key, std::int64_t fallback) {
  return state_->get(key, fallback, "an integer");
}

double Config::get(std::string_view key, double fallback) {
  return state_->get(key, fallback, "a number");
}

std::string Config::get(std::string_view key, const std::string& fallback) {
  return state_->get(key, fallback, "a text");
}

std::string Config::get(std::string_view key, const char* fallback) {
  return get(key, std::string(fallback));
}

std::string Config::get_scalar(std::string_view key, const std::string& fallback) {
  const toml::node* node = find(state_->values, key);
  if (node == nullptr || !(node->is_number() || node->is_time())) return get(key, fallback);
  std::string value = toml_text(*node);
  state_->read.insert_or_assign(std::string(key), toml::table{{"value", value}});
  return value;
}

std::vector<std::string> Config::get(std::string_view key,
                                     const std::vector<std::string>& fallback) {
  std::vector<std::string> value = fallback;
  if (const toml::node* node = find(state_->values, key)) {
    const toml::array* list = node->as_array();
    if (list == nullptr) state_->wrong_type(key, *node, "a list of texts");
    value.clear();
    for (const toml::node& element : *list) {
      if (!element.is_string()) state_->wrong_type(key, element, "texts only");
      value.push_back(element.ref<std::string>());
    }
  }
  toml::array list;
  for (const std::string& element : value) list.push_back(element);
  state_->read.insert_or_assign(std::string(key), toml::table{{"value", list}});
  return value;
}

std::string Config::required(std::string_view key) {
  if (find(state_->values, key) == nullptr) {
    throw ConfigError(fmt::format("{}: the key {} is missing; give it there or with --set {}=...",
                                  state_->name, key, key));
  }
  return get(key, std::string());
}

std::string Config::where(std::string_view key) const {
  return state_->where(key);
}

std::optional<std::string> Config::text(std::string_view key) const {
  const toml::node* node = find(state_->values, key);
  return node == nullptr ? std::nullopt : std::optional(toml_text(*node));
}

void Config::refuse_unread() const {
  std::vector<std::string> keys;
  state_->list_unread(state_->values, "", keys);
  if (keys.empty()) return;
  std::string message;
  for (const std::string& key : keys) {
    const std::string known = nearest(key, state_->read);
    message +=
        fmt::format("{}{}: unknown key {}{}", message.empty() ? "" : "\n", state_->where(key), key,
                    known.empty() ? "" : fmt::format("; did you mean {}?", known));
  }
  throw ConfigError(message);
}

std::string Config::resolved() const {
  std::map<std::string, std::string> sections;  // the keys without a section come first
  for (const auto& [key, holder] : state_->read) {
    const std::size_t dot = key.rfind('.');
    const bool plain = dot == std::string::npos;
    sections[plain ? "" : key.substr(0, dot)] += fmt::format(
        "{} = {}\n", plain ? key : key.substr(dot + 1), toml_text(*holder.get("value")));
  }
  std::string text;
  for (const auto& [section, lines] : sections) {
    if (!section.empty()) text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section);
    text += lines;
  }
  return text;
}

}  // namespace epi::core
