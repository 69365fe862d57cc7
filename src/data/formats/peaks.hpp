// Peaks: ENCODE's narrowPeak and broadPeak, and plain BED. Lines may be in any order and overlap:
// what is done with them is the caller's.
//
//   narrowPeak := contig start end name score strand signalValue pValue qValue peak
//   broadPeak  := the same without peak
//
// pValue, qValue and peak are -1 where there is none; peak counts from start, and where a caller
// rounded it up to the peak's length it means the last base. Files of 20 columns, as IDR writes for
// pairs of replicates, hold the merged peak in the first ten.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/text_file.hpp"
#include "data/ranges.hpp"

namespace epi::data {

enum class PeakForm : std::uint8_t { bed, broad_peak, narrow_peak };
/// "BED", "broadPeak" or "narrowPeak".
[[nodiscard]] std::string_view name_of(PeakForm form);

/// The form of a record with these columns: 10 or 20 of them are narrowPeak, 9 are broadPeak when
/// the last three are numbers (in BED the ninth is a colour and the others lie inside the record).
[[nodiscard]] PeakForm form_of_peaks(const std::vector<std::string_view>& columns);

struct Peak {
  std::string contig;
  Range range;
  std::string name;                       ///< empty: none, or "."
  std::optional<double> score;            ///< fifth column; of plain BED only where it is a number
  char strand = '.';                      ///< '+', '-' or '.'
  std::optional<double> signal;           ///< signalValue
  std::optional<double> p_value;          ///< -log10, as the file has it
  std::optional<double> q_value;          ///< likewise
  std::optional<std::int64_t> summit_bp;  ///< 0-based place on the contig
  std::int64_t line = 0;
};

class PeakFile {
 public:
  /// The form is told by the first record. Errors: see TextFile.
  explicit PeakFile(const std::filesystem::path& path) : file_(path) {}

  /// The next peak; false at the end. InputError with file and line: see next_record; another
  /// number of columns than the first record has; in the two peak formats columns that are no
  /// numbers, a strand other than + - . and a summit outside of its peak.
  [[nodiscard]] bool next(Peak& peak);

  /// BED before the first peak.
  [[nodiscard]] PeakForm form() const { return form_; }

 private:
  void read_values(Peak& peak) const;

  TextFile file_;
  PeakForm form_ = PeakForm::bed;
  std::size_t num_columns_ = 0;  ///< of the first record; 0 before it
  std::vector<std::string_view> columns_;
};

/// All peaks in file order; none in an empty file.
[[nodiscard]] std::vector<Peak> read_peaks(const std::filesystem::path& path);

}  // namespace epi::data
