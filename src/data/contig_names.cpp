// Exact names first, always: a genome may hold both "7" and "chr7".
#include "data/contig_names.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.hpp"

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

ContigNames::ContigNames(std::span<const Contig> contigs, ChrPrefix prefix) : prefix_(prefix) {
  for (const Contig& contig : contigs) {
    index_.emplace(contig.name, static_cast<std::int32_t>(index_.size()));
  }
}

std::optional<std::int32_t> ContigNames::find(std::string_view name) const {
  auto found = index_.find(name);
  if (found == index_.end() && prefix_ == ChrPrefix::optional) {
    found = name.starts_with(kPrefix) ? index_.find(name.substr(kPrefix.size()))
                                      : index_.find(std::string(kPrefix) + std::string(name));
  }
  if (found == index_.end()) return std::nullopt;
  return found->second;
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
