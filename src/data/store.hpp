// A store: the genome once and every cell type's chromatin states, in write-once HDF5 shards beside
// a manifest. The grammar is in STORE_FORMAT.md. This header is what a reader needs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/corpus.hpp"

namespace epi::data {

/// 0-based, half-open.
struct Interval {
  std::int32_t contig = 0;  ///< index into Manifest::contigs
  std::int64_t start_bp = 0;
  std::int64_t end_bp = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

struct Contig {
  std::string name;
  std::int64_t length_bp = 0;
  std::int64_t acgt_bp = 0;         ///< bases that are not N
  std::int64_t soft_masked_bp = 0;  ///< of those, lower case
  std::int64_t iupac_bp = 0;        ///< ambiguity codes other than N, stored as N
  std::string digest;               ///< of the contig's base codes
  std::string md5;  ///< of the upper-case sequence, as SAM's M5; empty in stores of version 1
};

enum class Split : std::uint8_t { train, valid, test };
/// "train", "valid" or "test", as in the manifest and on the command line.
[[nodiscard]] const char* name_of(Split split);

struct Cell {
  std::string id;    ///< "E003"
  std::string name;  ///< "H1 Cells"
  Split split = Split::train;
  std::string source;   ///< path as given; empty: no epigenome, every state is missing
  std::string digest;   ///< of the source files; empty without any
  std::string group;    ///< tissue or the like, may be empty
  double weight = 1.0;  ///< how often it is shown in training, relative to the others
};

/// One state of the vocabulary; its code in shards is its index + 1 (0 is missing).
struct State {
  std::int32_t number = 0;  ///< as in the source: 1 of "E1" and "1_TssA"
  std::string label;        ///< "TssA"; empty when the source has only numbers
  std::string colour;       ///< "R,G,B"; empty when none was given
};

/// A file other than segmentations that the store was made from.
struct StoreInput {
  std::string option;  ///< that named it: "--genome"
  std::string path;    ///< as given
  std::string digest;  ///< of its bytes
};

struct Shard {
  std::string file;
  std::int32_t contig = 0;
  std::int64_t start_bp = 0;
  std::int64_t length_bp = 0;
  std::int64_t bytes = 0;
  std::string digest;         ///< XXH3-128 of the whole file
  std::string bases_digest;   ///< of each dataset, as in the shard's own header: tells shards of
  std::string states_digest;  ///< different stores apart without reading them whole
};

/// manifest.json, read and checked.
struct Manifest {
  std::int32_t version = 0;
  std::string program;  ///< version and git revision that wrote it
  std::string command;
  std::int32_t bin_bp = 0;
  std::int64_t guard_bp = 0;  ///< train regions keep this distance from held-out regions
  std::string assembly;       ///< "hg19", as its sequences or lengths tell; empty: not a known one
  std::vector<StoreInput> inputs;
  std::vector<Contig> contigs;
  std::vector<Cell> cells;
  std::vector<State> states;
  /// Per split, where windows may lie: sorted, disjoint, without long runs of N, without the
  /// blacklist and, for train, without the guard around held-out regions.
  std::vector<Interval> regions[3];
  std::vector<Shard> shards;
  std::string digest;  ///< of the manifest's content: the store's fingerprint
};

/// Indices of the cell types of a split.
[[nodiscard]] std::vector<std::int32_t> cells_of(const Manifest& manifest, Split split);

/// An opened store: its shards mapped into memory, one copy per node (the page cache).
class Store {
 public:
  /// Opens and checks the manifest, each shard's size and header. With `deep`, digests too.
  /// MissingError, FormatError (file or dataset, found, expected, what to do).
  static Store open(const std::filesystem::path& folder, bool deep = false);

  /// Moved only; corpus views stay valid, since the mappings do not move.
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  /// Unmaps the shards: corpus views end here.
  ~Store();

  /// This store with other states: `codes` gives the new code of each old one (index 0: missing),
  /// as mapped_codes does, and `states` is the new vocabulary. State rows become a private copy in
  /// memory, one byte per cell type and bin; bases stay mapped. The manifest keeps its digest.
  /// FormatError on a code that the store's vocabulary lacks.
  [[nodiscard]] Store with_states(std::span<const std::uint8_t> codes,
                                  std::vector<data::State> states) &&;

  /// As read and checked by `open`; its digest is what runs remember the store by.
  [[nodiscard]] const Manifest& manifest() const;
  /// Valid while this store lives.
  [[nodiscard]] core::CorpusView corpus() const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace epi::data
