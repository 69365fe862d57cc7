// Exact names first, always: a genome may hold both "7" and "chr7".
#include "data/contig_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "data/assembly.hpp"

namespace epi::data {
namespace {

constexpr std::string_view kPrefix = "chr";
constexpr std::size_t kLongestList = 40;

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

ContigNames::ContigNames(std::span<const Contig> contigs, ChrPrefix prefix, AliasTable aliases)
    : prefix_(prefix), aliases_(std::move(aliases)) {
  for (const Contig& contig : contigs) {
    for (const std::string& other : aliases_.names_of(contig.name)) {
      const auto twin = index_.find(other);
      if (twin != index_.end() && other != contig.name) {
        throw core::InputError(
            fmt::format("contigs '{}' and '{}' of the genome are the same by --alias; take one "
                        "out of the files or correct the table",
                        other, contig.name));
      }
    }
    index_.emplace(contig.name, static_cast<std::int32_t>(index_.size()));
  }
}

std::optional<std::int32_t> ContigNames::find(std::string_view name) const {
  if (const auto exact = index_.find(name); exact != index_.end()) return exact->second;
  for (const std::string& other : aliases_.names_of(name)) {
    if (const auto found = index_.find(other); found != index_.end()) return found->second;
  }
  if (prefix_ == ChrPrefix::matters) return std::nullopt;
  const auto found = name.starts_with(kPrefix)
                         ? index_.find(name.substr(kPrefix.size()))
                         : index_.find(std::string(kPrefix) + std::string(name));
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

std::string alias_advice(std::span<const std::string> unknown, std::span<const Contig> contigs) {
  const ContigNames exact(contigs, ChrPrefix::matters);
  const ContigNames prefixed(contigs, ChrPrefix::optional);
  const auto becomes_known = [&](const auto& finds) {
    return std::any_of(unknown.begin(), unknown.end(),
                       [&](const std::string& name) { return !exact.find(name) && finds(name); });
  };
  if (becomes_known([&](const std::string& name) { return prefixed.find(name).has_value(); })) {
    return "the names differ by the prefix 'chr' only: --alias-chr takes them as the same";
  }
  for (const std::string& assembly : known_assemblies()) {
    const AliasTable table = AliasTable::bundled(assembly).value();
    // Not through ContigNames: a genome that holds a contig twice must not hide the advice.
    const auto in_table = [&](const std::string& name) {
      const auto& others = table.names_of(name);
      return std::any_of(others.begin(), others.end(),
                         [&exact](const std::string& other) { return exact.find(other); });
    };
    if (becomes_known(in_table)) {
      return fmt::format(
          "the names are those of {0} in another naming: --alias {0} takes them as "
          "the same",
          assembly);
    }
  }
  return {};
}

std::vector<std::string> split_list(std::string_view text, std::string_view option) {
  std::vector<std::string> items;
  if (trimmed(text).empty()) return items;
  while (true) {
    const std::size_t end = text.find(',');
    const std::string item(trimmed(text.substr(0, end)));
    if (item.empty()) throw core::ConfigError(fmt::format("{}: an empty name in the list", option));
    if (std::find(items.begin(), items.end(), item) != items.end()) {
      throw core::ConfigError(fmt::format("{}: '{}' is there twice", option, item));
    }
    items.push_back(item);
    if (end == std::string_view::npos) return items;
    text.remove_prefix(end + 1);
  }
}

std::string list_text(std::span<const std::string> names) {
  if (names.empty()) return "none";
  const auto shown = names.first(std::min(names.size(), kLongestList));
  std::string text = fmt::format("{}", fmt::join(shown, ", "));
  if (shown.size() < names.size()) {
    text += fmt::format(" and {} more", names.size() - shown.size());
  }
  return text;
}

}  // namespace epi::data
