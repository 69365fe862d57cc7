// One function per kind of file; all of them fill the same report.
#include "data/inspect_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "data/assembly.hpp"
#include "data/formats/annotation.hpp"
#include "data/formats/bed.hpp"
#include "data/formats/big_file.hpp"
#include "data/formats/genome_file.hpp"
#include "data/formats/labels.hpp"
#include "data/formats/peaks.hpp"
#include "data/formats/sheet.hpp"
#include "data/formats/state_names.hpp"
#include "data/formats/states_file.hpp"
#include "data/store_reference.hpp"

namespace epi::data {
namespace {

class Inspector {
 public:
  Inspector(std::filesystem::path path, FileKind kind,
            const std::optional<FileComparison>& comparison, std::int64_t line_bin_bp)
      : path_(std::move(path)) {
    report_.path = path_.string();
    report_.kind = kind;
    if (line_bin_bp > 0) states_format_.line_bin_bp = line_bin_bp;
    if (!comparison) return;
    const Manifest& manifest = comparison->store->manifest();
    if (line_bin_bp == 0) states_format_.line_bin_bp = manifest.bin_bp;
    store_.emplace(*comparison->store,
                   ContigNames(manifest.contigs, comparison->prefix, comparison->aliases));
    report_.store_digest = manifest.digest;
  }

  FileReport run() {
    read();
    if (store_) compare();
    return std::move(report_);
  }

 private:
  void read() {
    switch (report_.kind) {
      case FileKind::fasta:
      case FileKind::twobit:
        return read_sequences();
      case FileKind::bigbed:
      case FileKind::bigwig:
        return read_big();
      case FileKind::variants:
        return read_variants();
      case FileKind::states:
      case FileKind::state_lines:
        return read_segmentation();
      case FileKind::narrow_peaks:
      case FileKind::broad_peaks:
      case FileKind::bed:
        return read_peak_file();
      case FileKind::genes:
        return read_genes();
      case FileKind::labels:
        return read_label_file();
      case FileKind::sheet:
        return read_sample_sheet();
      case FileKind::chrom_sizes:
        return read_sizes();
      case FileKind::state_names:
        return read_names_of_states();
      case FileKind::state_map:
        return read_map_of_states();
      case FileKind::aliases:
        (void)AliasTable::read(path_);
        report_.facts.emplace_back("names of contigs, to be given with --alias");
        return;
    }
  }

  FileContig& contig_of(std::string_view name) {
    if (!report_.contigs.empty() && report_.contigs[current_].name == name) {
      return report_.contigs[current_];
    }
    const auto [found, is_new] = index_.emplace(name, report_.contigs.size());
    current_ = found->second;
    if (is_new) {
      FileContig contig;
      contig.name = name;
      if (store_) contig.in_store = store_->find(name);
      report_.contigs.push_back(contig);
    }
    return report_.contigs[current_];
  }

  void count(std::string_view name, Range range) {
    FileContig& contig = contig_of(name);
    ++report_.records;
    ++contig.records;
    if (contig.start_bp < 0 || range.start_bp < contig.start_bp) contig.start_bp = range.start_bp;
    contig.end_bp = std::max(contig.end_bp, range.end_bp);
    if (contig.in_store && range.end_bp > store_->contig(*contig.in_store).length_bp) {
      ++contig.past_end;
    }
  }

  void read_sequences() {
    std::vector<Contig> contigs;
    read_genome(path_, [&](const ContigSequence& sequence) {
      FileContig& contig = contig_of(sequence.contig.name);
      ++report_.records;
      contig.records = 1;
      contig.start_bp = 0;
      contig.end_bp = contig.length_bp = sequence.contig.length_bp;
      if (contig.in_store) contig.note = sequence_note(sequence.contig, *contig.in_store);
      contigs.push_back(sequence.contig);
    });
    std::int64_t acgt = 0, soft = 0, iupac = 0;
    for (const Contig& contig : contigs) {
      acgt += contig.acgt_bp;
      soft += contig.soft_masked_bp;
      iupac += contig.iupac_bp;
    }
    report_.facts.push_back(
        fmt::format("{} bases are A C G T, of these {} soft-masked; {} are other IUPAC codes", acgt,
                    soft, iupac));
    note_assembly(contigs);
  }

  [[nodiscard]] std::string sequence_note(const Contig& contig, std::int32_t in_store) const {
    const Contig& there = store_->contig(in_store);
    if (contig.digest == there.digest) return "same sequence";
    if (!there.md5.empty() && contig.md5 == there.md5) return "same sequence, masked otherwise";
    if (contig.length_bp != there.length_bp) return "OTHER LENGTH";
    return "OTHER SEQUENCE";
  }

  void note_assembly(const std::vector<Contig>& contigs) {
    const AssemblyGuess guess = assembly_of(contigs);
    report_.assembly = guess.name;
    for (const std::string& altered : guess.altered) {
      report_.facts.push_back(
          fmt::format("{} has the name and length of {}'s, but other bases", altered, guess.name));
    }
    if (guess.contradicting.empty()) return;
    report_.facts.push_back(
        fmt::format("not of {}'s lengths, {}: {}", guess.name.empty() ? guess.almost : guess.name,
                    guess.name.empty() ? "so it is another assembly" : "so perhaps cut",
                    list_text(guess.contradicting)));
  }

  /// By lengths that a header or a table tells.
  void note_sizes(const std::vector<ContigSize>& sizes) {
    std::vector<Contig> contigs;
    for (const ContigSize& size : sizes) {
      Contig contig;
      contig.name = size.name;
      contig.length_bp = size.length_bp;
      if (size.length_bp > 0) contigs.push_back(contig);
      const auto known = index_.find(size.name);
      if (known != index_.end()) report_.contigs[known->second].length_bp = size.length_bp;
    }
    note_assembly(contigs);
  }

  void read_big() {
    BigFile file(path_, {});
    std::string_view line;
    BedRecord record;
    std::int64_t number = 0;
    while (file.next_line(line)) {
      if (parse_record(line, {report_.path, ++number}, 3, record)) {
        count(record.contig, record.range);
      }
    }
    report_.facts.push_back(fmt::format("{} contigs in the header", file.contigs().size()));
    note_sizes(file.contigs());
  }

  void read_variants() {
    const auto file = open_variants(path_);
    report_.detail = file->form();
    if (store_) report_.refs.emplace();
    std::int64_t snvs = 0, other_alts = 0;
    for (Variant variant; file->next(variant);) {
      const auto length = static_cast<std::int64_t>(variant.ref.size());
      count(variant.contig, {variant.position_bp, variant.position_bp + length});
      if (length == 1 && variant.alts.size() == 1 && variant.alts[0].size() == 1) ++snvs;
      other_alts += std::count_if(variant.alts.begin(), variant.alts.end(),
                                  [](const auto& alt) { return !is_spelled_out(alt); });
      if (report_.refs) count_ref(variant, store_bases(), *report_.refs);
    }
    report_.facts.push_back(
        fmt::format("{} records change one base; {} alleles are symbolic", snvs, other_alts));
    note_sizes(file->contigs());
  }

  [[nodiscard]] BasesOf store_bases() const {
    return [this](std::string_view name, Range range) -> std::optional<std::string> {
      const auto contig = store_->find(name);
      if (!contig) return std::nullopt;
      if (range.start_bp < 0) return std::string();
      return store_->bases(*contig, range);
    };
  }

  void read_segmentation() {
    const StateTrack track = read_states(std::array{path_}, states_format_);
    std::map<std::int32_t, FileState> states;
    for (const NamedState& state : track.states) {
      states[state.number] = {state.number, state.label, 0, 0};
    }
    TrackEnds ends;
    for (const ContigTrack& contig : track.contigs) {
      for (const StateInterval& interval : contig.intervals) {
        count(contig.name, {interval.start_bp, interval.end_bp});
        ++states[interval.state].intervals;
        states[interval.state].bases += interval.end_bp - interval.start_bp;
      }
      if (!contig.intervals.empty()) ends[contig.name] = contig.intervals.back().end_bp;
    }
    for (const auto& [number, state] : states) report_.states.push_back(state);
    report_.bin_bp = track.grid.bin_bp;
    report_.assembly = assembly_of_ends(ends, std::max<std::int64_t>(track.grid.bin_bp, 1));
    if (!track.states.empty()) {
      report_.detail = fmt::format("states written like {}", track.states[0].style);
    }
  }

  void read_peak_file() {
    PeakFile file(path_);
    std::int64_t summits = 0;
    for (Peak peak; file.next(peak);) {
      count(peak.contig, peak.range);
      if (peak.summit_bp) ++summits;
    }
    if (report_.kind == FileKind::narrow_peaks) {
      report_.facts.push_back(fmt::format("{} records have a summit", summits));
    }
  }

  void read_genes() {
    AnnotationFile file(path_);
    std::map<std::string, std::int64_t> types;
    for (Feature feature; file.next(feature);) {
      count(feature.contig, feature.range);
      ++types[feature.type];
    }
    report_.detail = name_of(file.form());
    for (const auto& [type, number] : types) {
      report_.facts.push_back(fmt::format("{:>9} {}", number, type));
    }
  }

  void read_label_file() {
    LabelFile file(path_);
    std::vector<std::int64_t> bound(file.cells().size());
    for (LabelRow row; file.next(row);) {
      count(row.contig, row.range);
      for (std::size_t i = 0; i < bound.size(); ++i) bound[i] += row.labels[i] == "B" ? 1 : 0;
    }
    for (std::size_t i = 0; i < bound.size(); ++i) {
      report_.facts.push_back(fmt::format("{}: {} bound", file.cells()[i], bound[i]));
    }
  }

  void read_sample_sheet() {
    const auto rows = read_sheet(path_);
    report_.records = static_cast<std::int64_t>(rows.size());
    std::int64_t files = 0, missing = 0;
    for (const SheetRow& row : rows) {
      files += static_cast<std::int64_t>(row.paths.size());
      missing += row.paths.empty() ? 1 : 0;
    }
    report_.facts.push_back(
        fmt::format("{} cell types, {} files, all there; {} cell types without any", rows.size(),
                    files, missing));
  }

  void read_sizes() {
    const auto sizes = read_chrom_sizes(path_);
    for (const ContigSize& size : sizes) {
      FileContig& contig = contig_of(size.name);
      ++report_.records;
      contig.length_bp = size.length_bp;
      if (!contig.in_store) continue;
      const bool same = store_->contig(*contig.in_store).length_bp == size.length_bp;
      contig.note = same ? "same length" : "OTHER LENGTH";
    }
    note_sizes(sizes);
  }

  void read_names_of_states() {
    for (const State& state : read_state_names(path_).states) add_named(state);
  }

  void read_map_of_states() {
    const StateMap map = read_state_map(path_);
    for (const State& state : map.states) add_named(state);
    report_.facts.push_back(
        fmt::format("{} states become {}", map.target.size(), map.states.size()));
  }

  void add_named(const State& state) {
    ++report_.records;
    report_.states.push_back({state.number, state.label, 0, 0});
  }

  void compare() {
    const Manifest& manifest = store_->manifest();
    if (!report_.contigs.empty()) compare_names(manifest);
    if (!report_.assembly.empty() && !manifest.assembly.empty() &&
        report_.assembly != manifest.assembly) {
      report_.facts.push_back(fmt::format("OTHER ASSEMBLY: the store is {}", manifest.assembly));
    }
    if (report_.bin_bp != 0 && report_.bin_bp != manifest.bin_bp) {
      report_.facts.push_back(fmt::format("OTHER BINS: the store has {} bp", manifest.bin_bp));
    }
    for (const FileState& state : report_.states) compare_state(state, manifest);
  }

  void compare_names(const Manifest& manifest) {
    std::vector<std::string> unknown;
    for (const FileContig& contig : report_.contigs) {
      if (!contig.in_store) unknown.push_back(contig.name);
    }
    report_.facts.push_back(fmt::format("{} of {} contigs are in the store, which has {}",
                                        report_.contigs.size() - unknown.size(),
                                        report_.contigs.size(), manifest.contigs.size()));
    const std::string advice = alias_advice(unknown, manifest.contigs);
    if (!advice.empty()) report_.facts.push_back(advice);
  }

  void compare_state(const FileState& state, const Manifest& manifest) {
    const auto known =
        std::find_if(manifest.states.begin(), manifest.states.end(),
                     [&](const State& other) { return other.number == state.number; });
    if (known == manifest.states.end()) {
      report_.facts.push_back(fmt::format("state {} is not in the store", state.number));
    } else if (known->label != state.label && !known->label.empty() && !state.label.empty()) {
      report_.facts.push_back(
          fmt::format("state {} is called {} in the store", state.number, known->label));
    }
  }

  std::filesystem::path path_;
  StatesFormat states_format_;
  FileReport report_;
  std::optional<StoreReference> store_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::size_t current_ = 0;
};

}  // namespace

FileReport inspect_file(const std::filesystem::path& path, FileKind kind,
                        const std::optional<FileComparison>& comparison, std::int64_t line_bin_bp) {
  return Inspector(path, kind, comparison, line_bin_bp).run();
}

}  // namespace epi::data
