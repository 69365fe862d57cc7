// Text to store: `epitrain prepare`. The work is cut into steps that any number of processes share;
// which of them this is, the caller says ("part i of n") and puts a barrier behind each step. An
// interrupted preparation continues: parsed inputs and finished shards are kept in OUT.partial.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "data/formats/states_file.hpp"

namespace epi::data {

struct PrepareOptions {
  std::vector<std::filesystem::path> genomes;  ///< FASTA or 2bit; see genome_file.hpp
  std::filesystem::path sheet;                 ///< which segmentations; see sheet.hpp
  std::filesystem::path out;                   ///< the store's folder; must not exist
  std::string contigs;                         ///< contigs to store, comma separated; empty: all
  std::string valid, test;  ///< held out: contigs, comma separated, or a BED file; see splits.hpp
  std::string valid_cells, test_cells;             ///< held out cells, comma separated
  bool alias_chr = false;                          ///< "chr22" is "22"
  std::string alias;                               ///< hg19, hg38 or a table; see aliases.hpp
  std::optional<std::filesystem::path> sizes;      ///< chrom.sizes that the genome must agree with
  std::optional<std::filesystem::path> blacklist;  ///< BED file of bases that no window may hold
  std::optional<std::filesystem::path> regions;    ///< BED file: only these bases are shown
  std::int64_t flank_bp = 0;                       ///< added to both sides of each of `regions`
  std::optional<std::filesystem::path> state_names;  ///< labels and colours; see state_names.hpp
  std::optional<std::filesystem::path> state_map;    ///< to another vocabulary; likewise
  StatesFormat states;                               ///< how segmentations are read
  std::int64_t guard_bp = 8192;        ///< kept free around held-out regions; at least a window
  std::int64_t shard_bp = 16'000'000;  ///< longest shard; rounded down to whole bins
  int threads = 1;                     ///< of this process, for reading and writing
  std::string command;                 ///< goes into the manifest
};

/// Seconds that this process has spent, summed over its threads.
struct PrepareSeconds {
  double genomes = 0.0;  ///< reading sequence
  double states = 0.0;   ///< reading segmentations
  double encode = 0.0;   ///< intervals to codes per bin
  double write = 0.0;    ///< shards: writing, reading back, fsync
};

/// What to tell the user at the end.
struct PrepareReport {
  std::vector<std::string> warnings;
  std::vector<std::string> summary;
};

/// Steps in this order, on every process: construct, claim, read_inputs, plan, write_shards; then
/// finish on one. Every step is local and may throw: the caller lets all processes agree after
/// each. With several threads, what is thrown is the failure that one thread would have met.
class Preparation {
 public:
  /// Cheap checks: all named files are there, the sheet parses, OUT is free. UsageError,
  /// ConfigError, MissingError, InputError.
  Preparation(PrepareOptions options, core::Log log);
  /// Moved only: the work files have one owner.
  Preparation(Preparation&&) noexcept;
  Preparation& operator=(Preparation&&) noexcept;
  /// Leaves OUT.partial where it is: an interrupted preparation goes on from it.
  ~Preparation();

  /// Makes OUT.partial and, on part 0, locks it against other preparations for as long as this
  /// object lives. UsageError naming the process that holds it; IoError, also when the disk
  /// certainly lacks the space.
  void claim(int part);

  /// Parses this part's share of the inputs into work files, unless those of an earlier attempt
  /// were made from the same bytes. InputError with file and line, IoError.
  void read_inputs(int part, int parts);

  /// Decides everything from all work files; alike on every part. InputError, ConfigError.
  void plan();

  /// Writes this part's share of the shards, unless they are there and whole. IoError, FormatError.
  void write_shards(int part, int parts);

  /// Writes the manifest, renames OUT.partial to OUT and removes the work files; on one part only.
  /// Of a store that an earlier run of the same command finished, only the work files are removed.
  [[nodiscard]] PrepareReport finish();

  /// Of the steps so far.
  [[nodiscard]] PrepareSeconds seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Indices of the items that part `part` of `parts` takes: largest first, each to the part with the
/// least so far. Every item belongs to exactly one part.
[[nodiscard]] std::vector<std::size_t> share_of(const std::vector<std::int64_t>& sizes, int part,
                                                int parts);

}  // namespace epi::data
