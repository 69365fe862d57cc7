// Files between the steps of `prepare`: parsed inputs, so that reading is shared among processes
// and an interrupted run needn't read again. They live in OUT.partial/work, never in a store.
//
//   file    := magic[8] "EPIWORK5"  digest[32]  table_offset i64  file_bytes i64  reading i64
//              content[32] payload table
//   digest  := digest_of_files of the input, in hexadecimal; zeros without any
//   reading := reading_key of the StatesFormat that a segmentation was read with; 0 for sequence
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

/// Reads a genome file and writes its contigs' codes, counts and gaps to `path`, under its final
/// name only when whole. Not durably: after a power cut, is_current tells. One contig is in memory
/// at a time. Errors: see read_genome, IoError.
void write_genome_work(const std::filesystem::path& path, const std::filesystem::path& genome);

/// The same for one cell type's segmentation. Errors: see read_states, IoError.
void write_track_work(const std::filesystem::path& path,
                      std::span<const std::filesystem::path> files, const StatesFormat& format);

/// Whatever of a format changes what is read, as one number: without names it is the bin alone.
[[nodiscard]] std::int64_t reading_key(const StatesFormat& format);

/// True when `path` is a whole work file made from exactly what `sources` hold now, read as
/// `reading`, a reading_key, says; 0 for sequence.
[[nodiscard]] bool is_current(const std::filesystem::path& path,
                              std::span<const std::filesystem::path> sources, std::int64_t reading);

/// Of one file its own digest, of several the digest of theirs; of none empty.
[[nodiscard]] std::string digest_of_files(std::span<const std::filesystem::path> files);

/// An open file that is read piece by piece: pages of a mapping would count as memory in use.
class WorkReader {
 public:
  /// MissingError or IoError.
  explicit WorkReader(std::filesystem::path path);
  /// Moved only: one owner closes the file.
  WorkReader(WorkReader&& other) noexcept;
  WorkReader& operator=(WorkReader&& other) noexcept;
  ~WorkReader();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// The file's size in bytes.
  [[nodiscard]] std::size_t size() const { return size_; }
  /// Fills `out` with the bytes from `offset` on. IoError, also when the file ends before.
  void read(std::size_t offset, std::span<std::uint8_t> out) const;

 private:
  std::filesystem::path path_;
  int descriptor_;
  std::size_t size_ = 0;
};

/// An opened work file of a genome file. FormatError on a damaged file.
class GenomeWork {
 public:
  /// Reads the table; bases are read when asked for.
  explicit GenomeWork(const std::filesystem::path& path);
  /// In the order of the FASTA file, with counts and digest.
  [[nodiscard]] const std::vector<Contig>& contigs() const { return contigs_; }
  /// Runs of N of a contig, sorted and disjoint, in bases from its start.
  [[nodiscard]] const Ranges& gaps(std::size_t contig) const { return gaps_[contig]; }
  /// Digest of the genome file that it was made from.
  [[nodiscard]] const std::string& digest() const { return digest_; }
  /// Base codes of a part of a contig, one byte each; any number of threads may ask. IoError.
  [[nodiscard]] std::vector<std::uint8_t> bases(std::size_t contig, Range range) const;

 private:
  WorkReader file_;
  std::string digest_;
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
