// Contig names as users write them, matched to the genome's. "chr22" and "22" are the same contig
// only for those who say so, by a table or by the prefix rule; nothing is ever guessed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/aliases.hpp"
#include "data/store.hpp"

namespace epi::data {

enum class ChrPrefix : std::uint8_t { matters, optional };

class ContigNames {
 public:
  /// `contigs` is read now and not kept; indices are places in it. InputError when two contigs are
  /// the same by the table.
  ContigNames(std::span<const Contig> contigs, ChrPrefix prefix, AliasTable aliases = {});

  /// Index of the contig: an exact match, else another name of it in the table, else, where the
  /// prefix is optional, the name with "chr" added or removed.
  [[nodiscard]] std::optional<std::int32_t> find(std::string_view name) const;

 private:
  std::map<std::string, std::int32_t, std::less<>> index_;
  ChrPrefix prefix_;
  AliasTable aliases_;
};

/// A sentence on which option makes a contig of one of the `unknown` names: --alias-chr or --alias
/// with a bundled table; empty: none does.
[[nodiscard]] std::string alias_advice(std::span<const std::string> unknown,
                                       std::span<const Contig> contigs);

/// The items of "a, b,c" without blanks around them; none for blank text. ConfigError naming
/// `option` when an item is empty or repeated.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text, std::string_view option);

/// "a, b, c", at most the first 40 and how many more there are; "none" for none.
[[nodiscard]] std::string list_text(std::span<const std::string> names);

}  // namespace epi::data
