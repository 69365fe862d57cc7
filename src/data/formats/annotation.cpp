// The two families differ in coordinates and in how they name things; both become Feature.
#include "data/formats/annotation.hpp"

#include <fmt/format.h>

#include <charconv>

#include "core/error.hpp"
#include "data/formats/bed.hpp"
#include "data/formats/columns.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kGeneColumns = 9;
constexpr std::string_view kSequence = "##FASTA";  // GFF3: what follows is no annotation

bool is_strand(std::string_view text) {
  return text == "+" || text == "-" || text == "." || text == "?";
}

char strand_of(std::string_view text) {
  return text == "+" || text == "-" ? text[0] : '.';
}

/// "%3B" and the like, as GFF3 writes what would end a value.
std::string without_percents(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    const char* const digits = text.data() + i + 1;
    const bool escaped = text[i] == '%' && i + 2 < text.size() &&
                         std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
    plain += escaped ? static_cast<char>(value) : text[i];
    if (escaped) i += 2;
  }
  return plain;
}

/// The text up to ';' outside of quotes, which is taken off `rest` together with the ';'.
std::string_view next_attribute(const TextFile& file, std::string_view& rest) {
  std::size_t end = 0;
  bool quoted = false;
  for (; end < rest.size() && (quoted || rest[end] != ';'); ++end) {
    if (rest[end] == '"') quoted = !quoted;
  }
  if (quoted) file.fail("a quote in the attributes has no end");
  const std::string_view attribute = without_blanks(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return attribute;
}

std::string_view without_quotes(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"') return text;
  return text.substr(1, text.size() - 2);
}

bool is_transcript(std::string_view type) {
  return type == "transcript" || type.ends_with("RNA") || type.ends_with("_transcript");
}

/// A name that its own attribute gives beats one that ID or Name give.
void set_by_key(std::string_view key, const std::string& value, Feature& feature) {
  const auto fill = [&value](std::string& field) {
    if (field.empty()) field = value;
  };
  if (key == "gene_id") feature.gene_id = value;
  if (key == "gene_name") feature.gene_name = value;
  if (key == "transcript_id") feature.transcript_id = value;
  const bool is_gene = feature.type == "gene";
  if (key == "ID" && is_gene) fill(feature.gene_id);
  if (key == "ID" && is_transcript(feature.type)) fill(feature.transcript_id);
  if (key == "Name" && is_gene) fill(feature.gene_name);
}

}  // namespace

std::string_view name_of(AnnotationForm form) {
  switch (form) {
    case AnnotationForm::bed:
      return "BED";
    case AnnotationForm::gtf:
      return "GTF";
    case AnnotationForm::gff3:
      return "GFF3";
  }
  return "?";
}

std::int64_t start_site_bp(const Feature& feature) {
  core::require(feature.strand != '.', "a start site needs a strand");
  return feature.strand == '+' ? feature.range.start_bp : feature.range.end_bp - 1;
}

bool is_gene_line(const std::vector<std::string_view>& columns) {
  return columns.size() == kGeneColumns && is_whole_number(columns[3]) &&
         is_whole_number(columns[4]) && is_strand(columns[6]);
}

bool AnnotationFile::next(Feature& feature) {
  std::string_view line;
  do {
    if (!file_.next_line(line) || line.starts_with(kSequence)) return false;
  } while (!holds_record(line));
  split_columns(line, columns_);
  if (!started_) {
    started_ = true;
    if (is_gene_line(columns_)) {
      const bool equals = columns_[8].find('=') < columns_[8].find('"');
      form_ = equals ? AnnotationForm::gff3 : AnnotationForm::gtf;
    }
  }
  feature = {};
  feature.line = file_.line_number();
  if (form_ == AnnotationForm::bed) {
    read_bed(feature);
  } else {
    read_genes(feature);
  }
  if (feature.contig.empty()) file_.fail("the contig's name is empty");
  return true;
}

void AnnotationFile::read_bed(Feature& feature) const {
  if (columns_.size() < 3) {
    file_.fail(fmt::format("{} columns; expected contig, start, end [name [score [strand]]]",
                           columns_.size()));
  }
  feature.contig = columns_[0];
  feature.range = {whole_number(file_, columns_[1], "start"),
                   whole_number(file_, columns_[2], "end")};
  if (feature.range.start_bp >= feature.range.end_bp) {
    file_.fail(fmt::format("start {} is not below end {}; expected a half-open interval",
                           feature.range.start_bp, feature.range.end_bp));
  }
  if (columns_.size() > 3 && columns_[3] != ".") feature.gene_id = columns_[3];
  feature.gene_name = feature.gene_id;
  // Without a strand column the strand is unknown; one that holds something else is no BED6.
  if (columns_.size() < 6) return;
  if (!is_strand(columns_[5])) {
    file_.fail(fmt::format("strand '{}'; expected + or - or .", columns_[5]));
  }
  feature.strand = strand_of(columns_[5]);
}

void AnnotationFile::read_genes(Feature& feature) const {
  if (columns_.size() != kGeneColumns) {
    file_.fail(fmt::format("{} columns; {} has {}, separated by tabs", columns_.size(),
                           name_of(form_), kGeneColumns));
  }
  feature.contig = columns_[0];
  feature.type = columns_[2];
  const std::int64_t first = whole_number(file_, columns_[3], "start", 1);
  const std::int64_t last = whole_number(file_, columns_[4], "end", 1);
  if (first > last) {
    file_.fail(fmt::format("start {} is above end {}; both are counted from 1", first, last));
  }
  feature.range = {first - 1, last};
  if (!is_strand(columns_[6])) {
    file_.fail(fmt::format("strand '{}'; expected + or - or . or ?", columns_[6]));
  }
  feature.strand = strand_of(columns_[6]);
  read_attributes(columns_[8], feature);
}

void AnnotationFile::read_attributes(std::string_view text, Feature& feature) const {
  while (!text.empty()) {
    const std::string_view attribute = next_attribute(file_, text);
    if (attribute.empty() || attribute == ".") continue;
    const bool gff3 = form_ == AnnotationForm::gff3;
    const std::size_t end = attribute.find(gff3 ? '=' : ' ');
    if (end == std::string_view::npos) {
      file_.fail(fmt::format("attribute '{}' has no value; expected {}", attribute,
                             gff3 ? "key=value" : "key \"value\""));
    }
    const std::string_view value = without_blanks(attribute.substr(end + 1));
    set_by_key(attribute.substr(0, end),
               gff3 ? without_percents(value) : std::string(without_quotes(value)), feature);
  }
}

std::vector<Feature> read_annotation(const std::filesystem::path& path) {
  AnnotationFile file(path);
  std::vector<Feature> features;
  Feature feature;
  while (file.next(feature)) features.push_back(feature);
  return features;
}

}  // namespace epi::data
