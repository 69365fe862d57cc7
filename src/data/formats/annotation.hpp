// Genes, transcripts and other places with a strand: GTF, GFF3 and BED with six or twelve columns.
//
//   GTF, GFF3 := contig source feature start end score strand frame attributes; tab separated,
//                1-based and closed; attributes as key "value"; or key=value;
//   BED       := contig start end [name [score [strand ...]]]; the record is one gene, blocks are
//                not read
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/formats/text_file.hpp"
#include "data/ranges.hpp"

namespace epi::data {

enum class AnnotationForm : std::uint8_t { bed, gtf, gff3 };
/// "BED", "GTF" or "GFF3".
[[nodiscard]] std::string_view name_of(AnnotationForm form);

struct Feature {
  std::string contig;
  Range range;        ///< 0-based, half-open, whatever the file has
  char strand = '.';  ///< '+', '-' or '.' where there is none or it is not known
  std::string type;   ///< "gene", "transcript", "exon", ...; empty in BED
  /// Attributes of these names; in GFF3 else ID and Name of genes and transcripts, in BED the name.
  std::string gene_id, gene_name, transcript_id;
  std::int64_t line = 0;
};

/// Where the strand makes transcription begin: the first base of '+' features and the last of '-'.
/// LogicError for '.': which end it is would be a guess.
[[nodiscard]] std::int64_t start_site_bp(const Feature& feature);

/// Whether a line with these columns is GTF or GFF3 rather than BED: nine columns, of which the
/// fourth and fifth are numbers and the seventh is a strand.
[[nodiscard]] bool is_gene_line(const std::vector<std::string_view>& columns);

class AnnotationFile {
 public:
  /// The form is told by the first record. Errors: see TextFile.
  explicit AnnotationFile(const std::filesystem::path& path) : file_(path) {}

  /// The next feature; false at the end or where GFF3's sequence begins. InputError with file and
  /// line: another number of columns, coordinates that are no whole numbers, below 1 in GTF, or
  /// inverted; a strand other than + - . ?; attributes without a value or an end of their quotes.
  [[nodiscard]] bool next(Feature& feature);

  /// BED before the first record.
  [[nodiscard]] AnnotationForm form() const { return form_; }

 private:
  void read_bed(Feature& feature) const;
  void read_genes(Feature& feature) const;
  void read_attributes(std::string_view text, Feature& feature) const;

  TextFile file_;
  AnnotationForm form_ = AnnotationForm::bed;
  bool started_ = false;
  std::vector<std::string_view> columns_;
};

/// All features in file order.
[[nodiscard]] std::vector<Feature> read_annotation(const std::filesystem::path& path);

}  // namespace epi::data
