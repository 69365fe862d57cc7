// bigBed and bigWig, read by libBigWig in a child process: the library crashes on malformed files,
// and such a crash must cost one error message, not a run. The child is the program
// `epitrain-bigfile`, which prints a file's records as text; limits on memory and time are the
// kernel's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/chrom_sizes.hpp"

namespace epi::data {

/// Whole-genome files need about 20 MiB and a second per two million records; the rest is room for
/// slow disks and long contig tables.
struct BigFileLimits {
  /// The child's program; empty: `epitrain-bigfile` beside the running program, or in
  /// ../libexec/epitrain from there.
  std::filesystem::path reader;
  std::int64_t memory_mib = 1024;  ///< address space of the child
  /// Processor time of the child, and how long we wait for it in all; time between our calls is
  /// not counted.
  std::int64_t seconds = 900;
};

enum class BigKind : std::uint8_t { none, bigbed, bigwig };

/// By the file's first four bytes, in either byte order.
[[nodiscard]] BigKind big_kind(const std::filesystem::path& path);

/// The records of one file as lines of text, in file order: BED for bigBed ("contig start end
/// rest"), bedGraph for bigWig ("contig start end value"), tab separated.
class BigFile {
 public:
  /// Starts the child. MissingError when the file or the child's program is not there; InputError
  /// when it is neither bigBed nor bigWig.
  BigFile(const std::filesystem::path& path, const BigFileLimits& limits);
  /// Moved only: the child has one owner.
  BigFile(BigFile&&) noexcept;
  BigFile& operator=(BigFile&&) noexcept;
  /// Ends the child, whatever it is doing, and waits for it.
  ~BigFile();

  /// Contigs with lengths, from the file's own header.
  [[nodiscard]] const std::vector<ContigSize>& contigs() const;

  /// The next record; false after the last, when the child has ended well. Valid until the next
  /// call. InputError naming the file when the child crashed, was stopped at a limit or found the
  /// file damaged; records given before are then not to be used.
  [[nodiscard]] bool next_line(std::string_view& line);

 private:
  struct Child;
  std::unique_ptr<Child> child_;
};

}  // namespace epi::data
