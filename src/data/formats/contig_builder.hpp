// Letters of one contig -> base codes and all that is known of it: counts, gaps, digests. Readers
// of FASTA and 2bit differ in where letters come from; what is made of them is here, once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/genome_file.hpp"
#include "data/formats/md5.hpp"

namespace epi::data {

/// Fed with one contig after the other: start, add ..., finish.
class ContigBuilder {
 public:
  /// A contig without bases so far; its memory is that of the contig before.
  void start(std::string name);

  /// Takes the next letters: A C G T give codes 0..3; N and the other IUPAC codes, U among them,
  /// give 4; lower case sets core::kSoftMasked. Returns the place of the first letter that is none
  /// of these, letters.size() when all are; after such a letter the contig is not to be used.
  [[nodiscard]] std::size_t add(std::string_view letters);

  /// Bases taken so far.
  [[nodiscard]] std::int64_t length_bp() const { return static_cast<std::int64_t>(bases_.size()); }

  /// The contig; views are valid until the next start.
  [[nodiscard]] ContigSequence finish();

 private:
  void follow_runs(std::int64_t at_bp, std::size_t size, std::size_t acgt);
  void end_run(std::int64_t end_bp);

  Contig contig_;
  Ranges gaps_;
  std::int64_t run_start_bp_ = -1;  ///< of the run of N that the last base is part of; -1: none
  std::vector<std::uint8_t> bases_;
  std::string upper_;  ///< the letters of one call of add, for the MD5
  Md5 md5_;
};

}  // namespace epi::data
