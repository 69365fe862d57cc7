// What a model has seen of that on which it is to be judged: bases and cell types that its training
// set shares with another store or with a file of regions. Manifests are enough for this; no shard
// is read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/aliases.hpp"
#include "data/contig_names.hpp"
#include "data/ranges.hpp"
#include "data/store.hpp"

namespace epi::data {

/// Bases of one contig, under the name that the file or store has.
struct LeakPlaces {
  std::string contig;
  Ranges ranges;
};

/// What is compared with a training set.
struct LeakAgainst {
  std::string path;
  std::optional<Manifest> store;   ///< when it is one
  std::vector<LeakPlaces> places;  ///< the bases that count, in the order of the file
  std::vector<std::string> cells;  ///< ids of a store, label columns of a file, or none
};

/// Reads a store's manifest (its regions of `splits` count), a file of binding labels with a header
/// (see labels.hpp), or BED with three or more columns. Errors: see these readers; InputError when
/// there is nothing to compare.
[[nodiscard]] LeakAgainst read_against(const std::filesystem::path& path,
                                       const std::vector<Split>& splits);

struct LeakOptions {
  ChrPrefix prefix = ChrPrefix::matters;
  AliasTable aliases;
  std::map<std::string, std::string> cells;  ///< cell type there -> id in the training set
};

/// One contig of what is compared, or the sum of all. Two names of one contig are one, under the
/// first.
struct LeakContig {
  std::string name;
  std::string trained_name;        ///< of the same contig in the training set; empty: not there
  std::int64_t bases = 0;          ///< that count, each once
  std::int64_t shared_bp[3] = {};  ///< of these, in the training set's regions of each split
  std::int64_t near_bp = 0;        ///< outside of its training regions, closer than its guard
  std::int64_t past_end_bp = 0;    ///< past the contig's end there
  std::string note;                ///< why it was compared, or not; empty: nothing to say
  bool compared = false;
};

/// How a cell type was found in the training set.
enum class LeakMatch : std::uint8_t { none, id, given, segmentation };

struct LeakCell {
  std::string name;
  std::string trained_id;  ///< empty: it is not in the training set
  Split split = Split::train;
  LeakMatch match = LeakMatch::none;
  std::string note;  ///< further cell types with its segmentation, or one of its id with another
};

struct LeakReport {
  std::string trained_digest;  ///< of the training set's manifest
  std::string against;         ///< path
  std::int64_t guard_bp = 0;
  std::vector<LeakContig> contigs;
  LeakContig total;
  std::vector<LeakCell> cells;
  /// Contigs of the same name that can't be compared: nobody knows whether bases are shared.
  [[nodiscard]] bool undecided() const;
  /// Whether training has seen any of the bases.
  [[nodiscard]] bool shares_bases() const { return total.shared_bp[0] > 0; }
};

/// Contigs of stores are the same by their sequence (MD5, else digest), or else by name; those of
/// files by name. Cell types are the same by --cells or id, or by their segmentation where that one
/// was trained on and the other was not. InputError: stores of two known assemblies; no contig in
/// common; contigs that only an option makes the same (its name is in the message). ConfigError:
/// `cells` names a cell type that is not there.
[[nodiscard]] LeakReport find_leaks(const Manifest& trained, const LeakAgainst& against,
                                    const LeakOptions& options);

/// The report as lines of text, and as JSON.
[[nodiscard]] std::vector<std::string> describe(const LeakReport& report);
/// One object; keys are the fields above.
[[nodiscard]] std::string to_json(const LeakReport& report);

}  // namespace epi::data
