#include "core/config_grid.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include "core/config_toml.hpp"
#include "core/files.hpp"

namespace epi::core {
namespace {

/// A value of a table within tables, under its whole key.
struct Leaf {
  std::string key;
  const toml::node* node;
};

/// Of a key of a file; values know their lines.
class Place {
 public:
  explicit Place(std::string file) : file_(std::move(file)) {}
  [[noreturn]] void refuse(const toml::node& node, const std::string& message) const {
    throw ConfigError(fmt::format("{}:{}: {}", file_, node.source().begin.line, message));
  }
  [[noreturn]] void refuse(const std::string& message) const {
    throw ConfigError(fmt::format("{}: {}", file_, message));
  }

 private:
  std::string file_;
};

void list_leaves(const toml::table& table, const std::string& prefix, std::vector<Leaf>& leaves) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    if (const toml::table* inner = node.as_table()) {
      list_leaves(*inner, key + '.', leaves);
    } else {
      leaves.push_back({key, &node});
    }
  }
}

/// In the order of the file: toml++ keeps keys sorted, but knows where each value stands.
std::vector<Leaf> leaves_of(const toml::table& table) {
  std::vector<Leaf> leaves;
  list_leaves(table, "", leaves);
  std::ranges::stable_sort(leaves, [](const Leaf& a, const Leaf& b) {
    const toml::source_position at = a.node->source().begin;
    const toml::source_position other = b.node->source().begin;
    return std::pair(at.line, at.column) < std::pair(other.line, other.column);
  });
  return leaves;
}

/// The keys of one table with their values, which may be lists of texts but no dates or times.
std::vector<ConfigValue> values_of(const toml::table& table, const Place& place) {
  std::vector<ConfigValue> values;
  for (const Leaf& leaf : leaves_of(table)) {
    if (leaf.node->is_date() || leaf.node->is_time() || leaf.node->is_date_time()) {
      place.refuse(*leaf.node, leaf.key + " is a date or time, which no key takes");
    }
    values.emplace_back(leaf.key, toml_text(*leaf.node));
  }
  return values;
}

std::vector<std::string> keys_in(const std::vector<ConfigValue>& values) {
  std::vector<std::string> keys;
  keys.reserve(values.size());
  for (const auto& [key, value] : values) keys.push_back(key);
  return keys;
}

std::vector<ConfigValue> entry_of(const toml::node& element, const std::string& key,
                                  const Place& place) {
  if (const toml::table* together = element.as_table()) {
    if (together->empty()) place.refuse(element, key + " has an entry without a key");
    return values_of(*together, place);
  }
  if (element.is_date() || element.is_time() || element.is_date_time()) {
    place.refuse(element, key + " holds a date or time, which no key takes");
  }
  return {{key, toml_text(element)}};
}

/// One writing per value: 1.0 is 1 where a key takes a number.
ConfigValue normal(const ConfigValue& value) {
  const std::string& text = value.second;
  double number = 0.0;
  const char* const end = text.data() + text.size();
  const bool whole = text.find_first_not_of("+-0123456789") == std::string::npos;
  const auto parsed = std::from_chars(text.data(), end, number);
  if (whole || parsed.ec != std::errc() || parsed.ptr != end) return value;
  return {value.first, fmt::format("{}", number)};
}

/// What an entry sets, for messages: "1", or "{model.hidden = 256, model.layers = 4}".
std::string shown(const std::vector<ConfigValue>& entry, const std::string& axis) {
  if (entry.size() == 1 && entry.front().first == axis) return entry.front().second;
  std::vector<std::string> texts;
  for (const auto& [key, value] : entry) texts.push_back(key + " = " + value);
  return fmt::format("{{{}}}", fmt::join(texts, ", "));
}

std::vector<std::vector<ConfigValue>> axis_of(const Leaf& leaf, const Place& place) {
  const toml::array* list = leaf.node->as_array();
  if (list == nullptr) {
    place.refuse(*leaf.node, fmt::format("{} is one value, expected a list of values to try; what "
                                         "all cells have goes to [set]",
                                         leaf.key));
  }
  if (list->empty()) place.refuse(*leaf.node, leaf.key + " has no values to try");
  std::vector<std::vector<ConfigValue>> entries;
  std::set<std::vector<ConfigValue>> seen;
  for (const toml::node& element : *list) {
    entries.push_back(entry_of(element, leaf.key, place));
    std::ranges::sort(entries.back());  // by key: their order in the file means nothing
    if (keys_in(entries.back()) != keys_in(entries.front())) {
      place.refuse(element, fmt::format("the entries of {} have unlike keys: each needs {}",
                                        leaf.key, fmt::join(keys_in(entries.front()), ", ")));
    }
    std::vector<ConfigValue> value;
    std::ranges::transform(entries.back(), std::back_inserter(value), normal);
    if (!seen.insert(std::move(value)).second) {
      place.refuse(element, fmt::format("{} has {} twice: two cells would be the same run",
                                        leaf.key, shown(entries.back(), leaf.key)));
    }
  }
  return entries;
}

const toml::table* section(const toml::table& root, const char* name, const Place& place) {
  const toml::node* node = root.get(name);
  if (node != nullptr && !node->is_table()) {
    place.refuse(*node, fmt::format("{} is no section, expected [{}]", name, name));
  }
  return node == nullptr ? nullptr : node->as_table();
}

void refuse_unknown(const toml::table& root, const Place& place) {
  for (const auto& [name, node] : root) {
    if (name != "config" && name != "set" && name != "axes") {
      place.refuse(node,
                   fmt::format("unknown key {}; a grid has config, [set] and [axes]", name.str()));
    }
  }
}

std::filesystem::path config_of(const toml::table& root, const std::filesystem::path& grid,
                                const Place& place) {
  const auto name = root["config"].value_exact<std::string>();
  if (!name || name->empty()) {
    place.refuse("expected config = \"FILE\", the configuration that all cells begin with");
  }
  return grid.parent_path() / *name;  // an absolute one replaces the folder
}

void refuse_twice(const ConfigGrid& grid, const Place& place) {
  std::set<std::string> seen;
  for (const auto& keys : {keys_in(grid.common()), grid.keys()}) {
    for (const std::string& key : keys) {
      if (!seen.insert(key).second) {
        place.refuse(fmt::format("{} is given values twice, in [set] or by two axes", key));
      }
    }
  }
}

}  // namespace

ConfigGrid ConfigGrid::from_file(const std::filesystem::path& path) {
  return from_text(read_text(path), path);
}

ConfigGrid ConfigGrid::from_text(std::string_view text, const std::filesystem::path& path) {
  const toml::table root = parse_toml(text, path.string());
  const Place place(path.string());
  refuse_unknown(root, place);
  ConfigGrid grid;
  grid.path_ = path;
  grid.config_ = config_of(root, path, place);
  if (const toml::table* set = section(root, "set", place)) grid.common_ = values_of(*set, place);
  std::int64_t cells = 1;
  const toml::table* axes = section(root, "axes", place);
  for (const Leaf& leaf : axes != nullptr ? leaves_of(*axes) : std::vector<Leaf>()) {
    grid.axes_.push_back(axis_of(leaf, place));
    cells *= static_cast<std::int64_t>(grid.axes_.back().size());
    if (cells > kMostCells) {
      place.refuse(*leaf.node, fmt::format("more than {} cells", kMostCells));
    }
  }
  if (grid.axes_.empty()) {
    place.refuse("expected [axes] with lists of values, as in train.seed = [1, 2, 3]");
  }
  refuse_twice(grid, place);
  return grid;
}

std::int64_t ConfigGrid::size() const {
  std::int64_t cells = 1;
  for (const auto& axis : axes_) cells *= static_cast<std::int64_t>(axis.size());
  return cells;
}

std::vector<std::string> ConfigGrid::keys() const {
  return keys_in(cell(0));
}

std::vector<ConfigValue> ConfigGrid::cell(std::int64_t index) const {
  if (index < 0 || index >= size()) {
    throw UsageError(
        fmt::format("{}: no cell {}: it has cells 0 to {}", path_.string(), index, size() - 1));
  }
  std::vector<const Entry*> entries(axes_.size());
  for (std::size_t a = axes_.size(); a-- > 0;) {  // the last axis is the fastest digit
    const auto length = static_cast<std::int64_t>(axes_[a].size());
    entries[a] = &axes_[a][static_cast<std::size_t>(index % length)];
    index /= length;
  }
  std::vector<ConfigValue> values;
  for (const Entry* entry : entries) values.insert(values.end(), entry->begin(), entry->end());
  return values;
}

}  // namespace epi::core
