// A cascade from the most to the least telling sign. Whether the file is sound is not judged here:
// its reader does that.
#include "data/file_kind.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "core/error.hpp"
#include "data/formats/annotation.hpp"
#include "data/formats/bcf.hpp"
#include "data/formats/bed.hpp"
#include "data/formats/big_file.hpp"
#include "data/formats/columns.hpp"
#include "data/formats/labels.hpp"
#include "data/formats/peaks.hpp"
#include "data/formats/state_lines.hpp"
#include "data/formats/state_names.hpp"
#include "data/formats/text_file.hpp"
#include "data/formats/twobit.hpp"

namespace epi::data {
namespace {

constexpr std::size_t kLongestQuote = 60;
constexpr std::size_t kFaiColumns = 5;
constexpr std::size_t kMostNames = 8;  // of one contig; UCSC, Ensembl, RefSeq, GenBank and few more

using Columns = std::vector<std::string_view>;

/// The start of a text, cut into lines; a line that the block's end cuts is left out.
struct Head {
  std::string text;
  std::vector<std::string_view> lines;
  std::vector<Columns> records;  ///< of lines that hold one
};

Head head_of(const std::filesystem::path& path) {
  Head head;
  TextFile file(path);
  head.text = file.next_block();
  const bool whole = file.next_block().empty();
  std::string_view rest = head.text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos && !whole && !head.lines.empty()) break;
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    head.lines.push_back(line);
    if (!holds_record(line)) continue;
    split_columns(line, head.records.emplace_back());
  }
  return head;
}

/// "E7", "7_Enh" or "7".
bool is_state(std::string_view text) {
  return parse_state(text).has_value();
}

bool is_place(const Columns& columns) {
  return columns.size() >= 3 && is_whole_number(columns[1]) && is_whole_number(columns[2]);
}

/// Bare numbers may be scores or labels: in a segmentation most neighbours touch.
bool neighbours_touch(const std::vector<Columns>& records) {
  std::size_t touching = 0, pairs = 0;
  for (std::size_t i = 1; i < records.size(); ++i) {
    if (!is_place(records[i]) || records[i][0] != records[i - 1][0]) continue;
    ++pairs;
    if (records[i][1] == records[i - 1][2]) ++touching;
  }
  return 2 * touching > pairs;
}

bool is_segmentation(const std::vector<Columns>& records) {
  const bool states = std::all_of(records.begin(), records.end(), [](const Columns& columns) {
    return columns.size() >= 4 && is_state(columns[3]);
  });
  if (!states || form_of_peaks(records[0]) != PeakForm::bed) return false;
  return !is_whole_number(records[0][3]) || neighbours_touch(records);
}

/// "NAME LENGTH OFFSET LINE_BASES LINE_WIDTH": where samtools finds a contig in a FASTA file whose
/// first `used_bytes` bytes hold the contigs before. Moves `used_bytes` on. Five columns of BED
/// with whole numbers look alike but don't add up.
bool is_fai_row(const Columns& columns, std::int64_t& used_bytes) {
  if (columns.size() != kFaiColumns ||
      !std::all_of(columns.begin() + 1, columns.end(), is_whole_number)) {
    return false;
  }
  std::int64_t values[kFaiColumns] = {};
  for (std::size_t i = 1; i < kFaiColumns; ++i) {
    const auto [end, error] =
        std::from_chars(columns[i].data(), columns[i].data() + columns[i].size(), values[i]);
    if (error != std::errc()) return false;
  }
  const auto [name, length, offset, bases, width] = values;
  (void)name;
  if (length < 1 || bases < 1 || bases > length) return false;
  if (width != bases + 1 && width != bases + 2) return false;
  const auto header = static_cast<std::int64_t>(columns[0].size()) + 2;  // ">NAME\n"
  if (offset - used_bytes < header) return false;
  // A file's last line may lack its end.
  used_bytes = offset + length + (length - 1) / bases * (width - bases);
  return true;
}

bool is_fai(const std::vector<Columns>& records) {
  std::int64_t used_bytes = 0;
  return std::all_of(records.begin(), records.end(),
                     [&](const Columns& columns) { return is_fai_row(columns, used_bytes); });
}

std::optional<FileKind> kind_of_places(const std::vector<Columns>& records) {
  if (is_gene_line(records[0])) return FileKind::genes;
  if (is_fai(records)) return FileKind::chrom_sizes;
  if (!is_place(records[0])) return std::nullopt;
  if (is_segmentation(records)) return FileKind::states;
  switch (form_of_peaks(records[0])) {
    case PeakForm::narrow_peak:
      return FileKind::narrow_peaks;
    case PeakForm::broad_peak:
      return FileKind::broad_peaks;
    case PeakForm::bed:
      break;
  }
  return FileKind::bed;
}

bool is_small_number(std::string_view text) {
  return is_whole_number(text) && text.size() <= 4;
}

/// Tab-separated names without blanks, few in a row.
bool is_row_of_names(const Columns& columns) {
  const bool tabs = columns.size() >= 2 && columns[0].data()[columns[0].size()] == '\t';
  return tabs && columns.size() <= kMostNames &&
         std::all_of(columns.begin(), columns.end(), [](std::string_view name) {
           return name.find_first_of(" {\"") == std::string_view::npos;
         });
}

/// Tables without coordinates.
std::optional<FileKind> kind_of_table(const std::vector<Columns>& records) {
  const Columns& first = records[0];
  if (first.size() < 2) return std::nullopt;
  if (is_state(first[0]) && (is_small_number(first[1]) || first[1] == "-")) {
    return FileKind::state_map;
  }
  // Ensembl's names of contigs are numbers, too; not all of them are, and lengths are longer.
  const bool numbers = std::all_of(records.begin(), records.end(), [](const Columns& columns) {
    return columns.size() >= 2 && is_whole_number(columns[1]);
  });
  if (numbers && (first.size() == 2 || !is_small_number(first[1]))) return FileKind::chrom_sizes;
  if (is_state(first[0])) return FileKind::state_names;
  const bool header = records.size() > 1 && records[1].size() == first.size();
  if (header && is_state(records[1][0])) return FileKind::state_names;
  const bool names = std::all_of(records.begin(), records.end(), is_row_of_names);
  return names ? std::optional(FileKind::aliases) : std::nullopt;
}

bool is_sheet(const Columns& header) {
  const auto has = [&](std::string_view title) {
    return std::find(header.begin(), header.end(), title) != header.end();
  };
  return has("cell") && has("path");
}

std::optional<FileKind> kind_of_text(const Head& head) {
  const std::string_view first = head.lines[0];
  if (first.starts_with('>')) return FileKind::fasta;
  if (first.starts_with("##fileformat=VCF")) return FileKind::variants;
  if (first.starts_with("##gff-version")) return FileKind::genes;
  if (head.lines.size() > 1 && begins_state_lines(first) && head.lines[1].starts_with("MaxState")) {
    return FileKind::state_lines;
  }
  const auto blank = [](std::string_view line) {
    return line.find_first_not_of(" \t") == std::string_view::npos;
  };
  const auto text = std::find_if_not(head.lines.begin(), head.lines.end(), blank);
  if (text != head.lines.end() && text->starts_with('>')) return FileKind::fasta;
  if (head.records.empty()) return std::nullopt;
  if (is_sheet(head.records[0])) return FileKind::sheet;
  if (is_label_header(head.records[0])) return FileKind::labels;
  if (const auto kind = kind_of_places(head.records)) return kind;
  return kind_of_table(head.records);
}

}  // namespace

std::string_view name_of(FileKind kind) {
  constexpr std::string_view kNames[] = {"FASTA",
                                         "2bit",
                                         "bigBed",
                                         "bigWig",
                                         "variants",
                                         "segmentation (BED)",
                                         "segmentation (one state per line)",
                                         "narrowPeak",
                                         "broadPeak",
                                         "BED",
                                         "genes",
                                         "binding labels",
                                         "sample sheet",
                                         "chrom.sizes",
                                         "names of states",
                                         "map of states",
                                         "aliases of contigs"};
  return kNames[static_cast<std::size_t>(kind)];
}

FileKind kind_of(const std::filesystem::path& path) {
  switch (big_kind(path)) {
    case BigKind::bigbed:
      return FileKind::bigbed;
    case BigKind::bigwig:
      return FileKind::bigwig;
    case BigKind::none:
      break;
  }
  if (is_twobit(path)) return FileKind::twobit;
  if (is_bcf(path)) return FileKind::variants;
  const Head head = head_of(path);
  if (head.lines.empty()) throw core::InputError(path.string() + ": the file is empty");
  if (!is_plain_text(head.lines[0])) {
    throw core::InputError(path.string() + ": neither text nor 2bit, bigBed, bigWig or BCF");
  }
  if (const auto kind = kind_of_text(head)) return *kind;
  throw core::InputError(fmt::format(
      "{}:1: '{}': not a kind of file that epitrain reads; these are FASTA, 2bit, segmentations, "
      "BED, peaks, bigBed, bigWig, VCF, GTF, GFF3, binding labels, sample sheets, chrom.sizes and "
      "tables of names",
      path.string(), head.lines[0].substr(0, kLongestQuote)));
}

}  // namespace epi::data
