// Files between the steps of `prepare`: parsed inputs, so that reading is shared among processes
// and an interrupted run needn't read again. They live in OUT.partial/work, never in a store.
//
//   file    := magic[8] "EPIWORK3"  digest[32]  table_offset i64  file_bytes i64  zero[8]
//              content[32] payload table
//   digest  := digest_of_files of the input, in hexadecimal; zeros without any
//   content := XXH3-128 of payload, table and the header with zeros for `content`
//   table   := JSON; places in the payload are byte offsets from the file's start
//
// Numbers are in the machine's order: a work file never leaves the machines of one run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/formats/states_file.hpp"
#include "data/mapped_file.hpp"
#include "data/ranges.hpp"
#include "data/store.hpp"

namespace epi::data {

/// Reads a genome file and writes its contigs' codes, counts and gaps to `path`, durably and under
/// its final name only when whole. One contig is in memory at a time. Errors: see read_genome,
/// IoError.
void write_genome_work(const std::filesystem::path& path, const std::filesystem::path& genome);

/// The same for one cell type's segmentation. Errors: see read_states, IoError.
void write_track_work(const std::filesystem::path& path,
                      std::span<const std::filesystem::path> files, const StatesFormat& format);

/// True when `path` is a whole work file made from exactly what `sources` hold now.
[[nodiscard]] bool is_current(const std::filesystem::path& path,
                              std::span<const std::filesystem::path> sources);

/// Of one file its own digest, of several the digest of theirs; of none empty.
[[nodiscard]] std::string digest_of_files(std::span<const std::filesystem::path> files);

/// An opened work file of a genome file; its bases are mapped. FormatError on a damaged file.
class GenomeWork {
 public:
  /// Reads the table and maps the rest.
  explicit GenomeWork(const std::filesystem::path& path);
  /// In the order of the FASTA file, with counts and digest.
  [[nodiscard]] const std::vector<Contig>& contigs() const { return contigs_; }
  /// Runs of N of a contig, sorted and disjoint, in bases from its start.
  [[nodiscard]] const Ranges& gaps(std::size_t contig) const { return gaps_[contig]; }
  /// Base codes of a contig, one byte each; valid while this object lives.
  [[nodiscard]] std::span<const std::uint8_t> bases(std::size_t contig) const;

 private:
  MappedFile file_;
  std::vector<Contig> contigs_;
  std::vector<Ranges> gaps_;
  std::vector<std::size_t> offsets_;
};

/// An opened work file of a segmentation; its intervals are mapped. FormatError on a damaged file.
class TrackWork {
 public:
  /// Reads the table and maps the intervals.
  explicit TrackWork(const std::filesystem::path& path);
  [[nodiscard]] const std::string& digest() const { return digest_; }  ///< of its files
  /// States that occur in the file, each with the line that first named it.
  [[nodiscard]] const std::vector<NamedState>& states() const { return states_; }
  /// The bin width that all boundaries agree with.
  [[nodiscard]] const Grid& grid() const { return grid_; }
  /// Names as in the file; not yet matched to the genome's.
  [[nodiscard]] const std::vector<std::string>& contigs() const { return names_; }
  /// Which of the files it was made from holds a contig.
  [[nodiscard]] std::size_t file_of(std::size_t contig) const { return files_[contig]; }
  /// Sorted, disjoint.
  [[nodiscard]] std::span<const StateInterval> intervals(std::size_t contig) const;

 private:
  MappedFile file_;
  std::string digest_;
  std::vector<NamedState> states_;
  Grid grid_;
  std::vector<std::string> names_;
  std::vector<std::size_t> offsets_, counts_, files_;
};

}  // namespace epi::data
