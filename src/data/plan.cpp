// Reads headers and tables of work files; of intervals only what a shard needs, of bases nothing.
#include "data/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/version.hpp"
#include "data/assembly.hpp"
#include "data/contig_names.hpp"
#include "data/genome_check.hpp"
#include "data/pseudoautosomal.hpp"
#include "data/shard.hpp"
#include "data/splits.hpp"
#include "data/track_match.hpp"
#include "data/vocabulary.hpp"

namespace epi::data {
namespace {

/// One step after the other fills in the plan; each may rely on those before.
class Planner {
 public:
  Planner(const PrepareOptions& options, std::span<const SheetRow> sheet,
          std::span<const GenomeWork> genomes, std::span<const TrackWork> tracks)
      : options_(options),
        sheet_(sheet),
        genomes_(genomes),
        tracks_(tracks),
        aliases_(alias_table_of(options.alias)) {}

  StorePlan make() {
    plan_.manifest.version = kStoreVersion;
    plan_.manifest.program = core::version_text();
    plan_.manifest.command = options_.command;
    plan_.manifest.guard_bp = options_.guard_bp;
    list_contigs();
    check_genome();
    keep_wanted();
    list_inputs();
    list_states();
    list_cells();
    MatchedTracks matched = match_tracks(
        {contigs(), names(), plan_.manifest.bin_bp, sheet_, tracks_, plan_.manifest.assembly});
    plan_.tracks = std::move(matched.tracks);
    if (!matched.warning.empty()) plan_.warnings.push_back(std::move(matched.warning));
    make_splits();
    cut_shards();
    return std::move(plan_);
  }

 private:
  [[nodiscard]] std::vector<Contig>& contigs() { return plan_.manifest.contigs; }
  [[nodiscard]] ChrPrefix prefix() const {
    return options_.alias_chr ? ChrPrefix::optional : ChrPrefix::matters;
  }
  [[nodiscard]] ContigNames names() { return {contigs(), prefix(), aliases_}; }
  [[nodiscard]] const Ranges& gaps(std::size_t contig) const {
    const ContigPlace& place = plan_.places[contig];
    return genomes_[place.genome].gaps(place.index);
  }

  /// All contigs in the order of the files; a name is in one file only.
  void list_contigs() {
    std::map<std::string, std::size_t> genome_of;
    for (std::size_t g = 0; g < genomes_.size(); ++g) {
      for (std::size_t i = 0; i < genomes_[g].contigs().size(); ++i) {
        const Contig& contig = genomes_[g].contigs()[i];
        const auto [known, is_new] = genome_of.emplace(contig.name, g);
        if (!is_new) {
          throw core::InputError(fmt::format("{}: contig '{}' is in {} too",
                                             options_.genomes[g].string(), contig.name,
                                             options_.genomes[known->second].string()));
        }
        contigs().push_back(contig);
        plan_.places.push_back({g, i});
      }
    }
    genome_contigs_ = contigs();
    if (!options_.contigs.empty()) keep_listed_contigs();
  }

  /// Which assembly the genome is, and whether it is what the user takes it for.
  void check_genome() {
    const AssemblyGuess guess = assembly_of(contigs());
    plan_.manifest.assembly = guess.name;
    if (!guess.altered.empty()) {
      plan_.warnings.push_back(fmt::format(
          "contigs with the names and lengths of {0}, but not its sequence (masked, patched, or "
          "damaged): {1}",
          guess.name, list_text(guess.altered)));
    }
    if (!guess.almost.empty()) {
      plan_.warnings.push_back(fmt::format(
          "some contigs are those of {}, but not these, by their lengths: {}; the store is of no "
          "known assembly",
          guess.almost, list_text(guess.contradicting)));
    }
    if (options_.sizes) {
      check_sizes(contigs(), names(), *options_.sizes, read_chrom_sizes(*options_.sizes));
    }
  }

  /// --regions, with --flank on both sides: what lies outside is for no split. Contigs without a
  /// region are left out as if --contigs did not name them.
  void keep_wanted() {
    unwanted_.resize(contigs().size());
    if (!options_.regions) return;
    RegionList list = read_region_list("--regions", *options_.regions, contigs(), names());
    if (!list.warning.empty()) plan_.warnings.push_back(std::move(list.warning));
    std::vector<bool> wanted(contigs().size());
    for (std::size_t i = 0; i < contigs().size(); ++i) {
      const std::int64_t length_bp = contigs()[i].length_bp;
      const Ranges shown = grown(list.ranges[i], options_.flank_bp, length_bp);
      wanted[i] = !shown.empty();
      unwanted_[i] = subtract({{0, length_bp}}, shown);
    }
    if (std::find(wanted.begin(), wanted.end(), true) == wanted.end()) {
      throw core::InputError(options_.regions->string() + ": holds no region of the genome");
    }
    keep_contigs(wanted, "--regions: contigs without a region are not stored: {}");
  }

  /// The files besides segmentations, as given; what is bundled has no file.
  void list_inputs() {
    for (std::size_t g = 0; g < genomes_.size(); ++g) {
      plan_.manifest.inputs.push_back(
          {"--genome", options_.genomes[g].string(), genomes_[g].digest()});
    }
    add_input("--states", options_.sheet);
    if (options_.sizes) add_input("--sizes", *options_.sizes);
    if (!options_.alias.empty() && !AliasTable::bundled(options_.alias)) {
      add_input("--alias", options_.alias);
    }
    if (options_.blacklist) add_input("--blacklist", *options_.blacklist);
    if (options_.regions) add_input("--regions", *options_.regions);
    if (is_region_file(options_.valid)) add_input("--valid", options_.valid);
    if (is_region_file(options_.test)) add_input("--test", options_.test);
    if (options_.state_names) add_input("--state-names", *options_.state_names);
    if (options_.state_map) add_input("--state-map", *options_.state_map);
  }

  void add_input(const char* option, const std::filesystem::path& path) {
    plan_.manifest.inputs.push_back({option, path.string(), core::digest_of_file(path)});
  }

  /// --contigs: a subset, in the genome's order.
  void keep_listed_contigs() {
    const ContigNames all = names();
    std::vector<bool> listed(contigs().size(), false);
    for (const std::string& name : split_list(options_.contigs, "--contigs")) {
      const auto index = all.find(name);
      if (!index) {
        throw core::InputError(fmt::format("--contigs: the genome has no contig '{}'; it has {}",
                                           name, list_text(contig_names())));
      }
      listed[static_cast<std::size_t>(*index)] = true;
    }
    keep_contigs(listed, "");
  }

  /// Drops the other contigs; `told`, a format for their names, becomes a warning where any goes.
  void keep_contigs(const std::vector<bool>& wanted, const char* told) {
    std::vector<std::string> dropped;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (!wanted[i]) {
        dropped.push_back(contigs()[i].name);
        continue;
      }
      std::swap(contigs()[kept], contigs()[i]);
      plan_.places[kept] = plan_.places[i];
      if (i < unwanted_.size()) std::swap(unwanted_[kept], unwanted_[i]);
      ++kept;
    }
    contigs().resize(kept);
    plan_.places.resize(kept);
    unwanted_.resize(kept);
    if (dropped.empty() || *told == '\0') return;
    plan_.warnings.push_back(fmt::format(fmt::runtime(told), list_text(dropped)));
  }

  [[nodiscard]] std::vector<std::string> contig_names() {
    std::vector<std::string> list;
    for (const Contig& contig : contigs()) list.push_back(contig.name);
    return list;
  }

  void list_states() {
    std::vector<Segmentation> all;
    for (std::size_t c = 0; c < tracks_.size(); ++c) {
      std::vector<std::string> files;
      for (const auto& path : sheet_[c].paths) files.push_back(path.string());
      all.push_back({std::move(files), tracks_[c].states(), tracks_[c].grid()});
    }
    std::optional<StateNames> given;
    std::optional<StateMap> map;
    // The list that the files were read with, not what its file holds by now.
    if (options_.state_names) given = {options_.state_names->string(), options_.states.names};
    if (options_.state_map) map = read_state_map(*options_.state_map);
    Vocabulary vocabulary = make_vocabulary(all, given ? &*given : nullptr, map ? &*map : nullptr);
    plan_.manifest.states = std::move(vocabulary.states);
    plan_.codes = std::move(vocabulary.codes);
    plan_.manifest.bin_bp = common_bin(all);
    // Two models that write states alike (E1..E15 and E1..E18) differ in nothing but this.
    std::vector<std::string> poor;
    for (std::size_t c = 0; c < tracks_.size(); ++c) {
      const std::size_t lacking = vocabulary.lacking[c];
      if (lacking > 0) poor.push_back(fmt::format("{} ({})", sheet_[c].cell, lacking));
    }
    if (!poor.empty()) {
      plan_.warnings.push_back(
          fmt::format("cells that never show some of the states (how many): {}", list_text(poor)));
    }
  }

  void list_cells() {
    for (std::size_t c = 0; c < sheet_.size(); ++c) {
      const SheetRow& row = sheet_[c];
      plan_.manifest.cells.push_back({row.cell, row.name, Split::train, row.source,
                                      tracks_[c].digest(), row.group, row.weight});
    }
    hold_out_cells(options_.valid_cells, "--valid-cells", Split::valid);
    hold_out_cells(options_.test_cells, "--test-cells", Split::test);
    refuse_split_twins();
    const auto& cells = plan_.manifest.cells;
    if (std::none_of(cells.begin(), cells.end(),
                     [](const Cell& cell) { return cell.split == Split::train; })) {
      plan_.warnings.emplace_back("every cell is held out: nothing can be trained from this store");
    }
  }

  /// One segmentation under two names: in two splits, what is tested was trained on.
  void refuse_split_twins() {
    std::map<std::string, std::size_t> first_with;
    for (std::size_t c = 0; c < sheet_.size(); ++c) {
      const Cell& cell = plan_.manifest.cells[c];
      if (cell.digest.empty()) continue;  // no epigenome: nothing to copy
      const auto [known, is_new] = first_with.emplace(cell.digest, c);
      if (is_new) continue;
      const Cell& twin = plan_.manifest.cells[known->second];
      if (cell.split != twin.split) {
        throw core::InputError(fmt::format(
            "cells '{}' ({}) and '{}' ({}) have the same segmentation, byte for byte, in two "
            "splits ({}, {}); correct the sheet or hold out both",
            twin.id, sheet_[known->second].file(0), cell.id, sheet_[c].file(0), name_of(twin.split),
            name_of(cell.split)));
      }
      plan_.warnings.push_back(fmt::format(
          "cells '{}' and '{}' have the same segmentation, byte for byte", twin.id, cell.id));
    }
  }

  /// The same for sequence: a contig and its copy under another name.
  void refuse_split_copies() {
    struct Copies {
      std::vector<std::string> names;
      std::vector<bool> in = std::vector<bool>(3, false);
    };
    std::map<std::string, Copies> by_digest;
    for (std::size_t i = 0; i < contigs().size(); ++i) {
      if (contigs()[i].acgt_bp == 0) continue;  // runs of N are all alike
      // The MD5 is of upper case: copies that differ in what is masked are copies.
      const Contig& contig = contigs()[i];
      Copies& copies = by_digest[contig.md5.empty() ? contig.digest : contig.md5];
      copies.names.push_back(contigs()[i].name);
      for (std::size_t split = 0; split < copies.in.size(); ++split) {
        for (const Interval& region : plan_.manifest.regions[split]) {
          if (region.contig == static_cast<std::int32_t>(i)) copies.in[split] = true;
        }
      }
    }
    for (const auto& [digest, copies] : by_digest) {
      if (copies.names.size() < 2 || std::count(copies.in.begin(), copies.in.end(), true) < 2) {
        continue;
      }
      throw core::InputError(
          fmt::format("contigs {} hold the same sequence, but lie in more than one split; hold out "
                      "all of them or leave copies out with --contigs",
                      list_text(copies.names)));
    }
  }

  void hold_out_cells(const std::string& list, const char* option, Split split) {
    for (const std::string& id : split_list(list, option)) {
      auto& cells = plan_.manifest.cells;
      const auto cell =
          std::find_if(cells.begin(), cells.end(), [&id](const Cell& c) { return c.id == id; });
      if (cell == cells.end()) {
        std::vector<std::string> ids;
        for (const Cell& known : cells) ids.push_back(known.id);
        throw core::InputError(
            fmt::format("{}: the sheet has no cell '{}'; it has {}", option, id, list_text(ids)));
      }
      if (cell->split != Split::train) {
        throw core::ConfigError(fmt::format(
            "{}: cell '{}' is in --valid-cells too; a cell is in one split", option, id));
      }
      cell->split = split;
    }
  }

  /// What an option holds out of the contigs that are stored. A list made for the whole genome
  /// names others too: told, for they are in no split; an error when nothing else is held out.
  GenomeRanges held_out(const std::string& text, const char* option) {
    const ContigNames known(genome_contigs_, prefix(), aliases_);
    GenomeRanges all = read_held_out(text, option, genome_contigs_, known);
    GenomeRanges stored;
    std::vector<std::string> absent;
    bool any = false;
    for (std::size_t i = 0; i < all.size(); ++i) {  // both lists are in the genome's order
      const bool is_stored = stored.size() < contigs().size() &&
                             contigs()[stored.size()].name == genome_contigs_[i].name;
      if (!is_stored && !all[i].empty()) absent.push_back(genome_contigs_[i].name);
      any = any || (is_stored && !all[i].empty());
      if (is_stored) stored.push_back(std::move(all[i]));
    }
    if (absent.empty()) return stored;
    if (!any) {
      throw core::InputError(
          fmt::format("{}: --contigs or --regions leaves out all that it names: "
                      "{}; in the store are {}",
                      option, list_text(absent), list_text(contig_names())));
    }
    plan_.warnings.push_back(fmt::format("{}: {} contigs are held out, but not in the store: {}",
                                         option, absent.size(), list_text(absent)));
    return stored;
  }

  /// Regions are in bases of the whole contig, whatever its shards are.
  void make_splits() {
    SplitRequest request;
    request.contigs = contigs();
    request.valid = held_out(options_.valid, "--valid");
    request.test = held_out(options_.test, "--test");
    request.unwanted = unwanted_;
    if (options_.blacklist) add_blacklist(request.unwanted);
    for (std::size_t i = 0; i < contigs().size(); ++i) request.gaps.push_back(gaps(i));
    request.guard_bp = options_.guard_bp;
    auto regions = plan_splits(request);
    if (regions[static_cast<std::size_t>(Split::train)].empty()) {
      plan_.warnings.emplace_back("no base is left to train on");
    }
    std::string shared = pseudoautosomal_warning(plan_.manifest.assembly, contigs(), regions);
    if (!shared.empty()) plan_.warnings.push_back(std::move(shared));
    std::move(regions.begin(), regions.end(), std::begin(plan_.manifest.regions));
    refuse_split_copies();
  }

  void add_blacklist(GenomeRanges& unwanted) {
    RegionList list = read_region_list("--blacklist", *options_.blacklist, contigs(), names());
    if (!list.warning.empty()) plan_.warnings.push_back(std::move(list.warning));
    for (std::size_t i = 0; i < unwanted.size(); ++i) {
      unwanted[i].insert(unwanted[i].end(), list.ranges[i].begin(), list.ranges[i].end());
      unwanted[i] = normalized(std::move(unwanted[i]));
    }
  }

  /// What no window may show is stored only where leaving it out would not pay: long runs of N and
  /// long stretches outside --regions are treated alike, also where one continues the other.
  void cut_shards() {
    for (std::size_t i = 0; i < contigs().size(); ++i) {
      Ranges unstored = gaps(i);
      unstored.insert(unstored.end(), unwanted_[i].begin(), unwanted_[i].end());
      for (const Range& range : stored_ranges(contigs()[i].length_bp, normalized(unstored),
                                              plan_.manifest.bin_bp, options_.shard_bp)) {
        Shard shard;
        shard.file = fmt::format("shard-{:05}.h5", plan_.manifest.shards.size());
        shard.contig = static_cast<std::int32_t>(i);
        shard.start_bp = range.start_bp;
        shard.length_bp = range.end_bp - range.start_bp;
        plan_.manifest.shards.push_back(shard);
      }
    }
    if (plan_.manifest.shards.empty()) {
      throw core::InputError(options_.genomes.front().string() +
                             ": every base is N, or outside of --regions");
    }
  }

  const PrepareOptions& options_;
  std::span<const SheetRow> sheet_;
  std::span<const GenomeWork> genomes_;
  std::span<const TrackWork> tracks_;
  AliasTable aliases_;
  std::vector<Contig> genome_contigs_;  ///< all of them, also those that are not stored
  GenomeRanges unwanted_;               ///< per contig: outside of --regions
  StorePlan plan_;
};

/// The least multiple of `unit` that is not below `value`, which is not negative.
std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

StorePlan make_plan(const PrepareOptions& options, std::span<const SheetRow> sheet,
                    std::span<const GenomeWork> genomes, std::span<const TrackWork> tracks) {
  return Planner(options, sheet, genomes, tracks).make();
}

Ranges stored_ranges(std::int64_t length_bp, const Ranges& gaps, std::int64_t bin_bp,
                     std::int64_t shard_bp) {
  const std::int64_t long_bp = std::max(kUnstoredGapBp, 2 * bin_bp);  // no bin in two shards
  Ranges unstored;
  for (const Range& gap : gaps) {
    const bool at_an_end = gap.start_bp == 0 || gap.end_bp == length_bp;
    if (at_an_end || gap.end_bp - gap.start_bp >= long_bp) unstored.push_back(gap);
  }
  const std::int64_t most_bp = std::max(bin_bp, shard_bp / bin_bp * bin_bp);
  Ranges stored;
  for (const Range& stretch : subtract({{0, length_bp}}, unstored)) {
    const std::int64_t start_bp = stretch.start_bp / bin_bp * bin_bp;
    const std::int64_t end_bp = std::min(length_bp, round_up(stretch.end_bp, bin_bp));
    // Near-equal pieces: no sliver at the end, in which no window would fit.
    const std::int64_t pieces = (end_bp - start_bp + most_bp - 1) / most_bp;
    const std::int64_t piece_bp = round_up((end_bp - start_bp + pieces - 1) / pieces, bin_bp);
    for (std::int64_t at = start_bp; at < end_bp; at += piece_bp) {
      stored.push_back({at, std::min(end_bp, at + piece_bp)});
    }
  }
  return stored;
}

std::vector<std::uint8_t> shard_states(const StorePlan& plan, const Shard& shard,
                                       std::span<const TrackWork> tracks) {
  const std::int64_t bin_bp = plan.manifest.bin_bp;
  const std::int64_t bins = (shard.length_bp + bin_bp - 1) / bin_bp;
  std::vector<std::uint8_t> states(tracks.size() * static_cast<std::size_t>(bins), 0);
  for (std::size_t cell = 0; cell < tracks.size(); ++cell) {
    const auto track = plan.tracks[cell][static_cast<std::size_t>(shard.contig)];
    if (!track) continue;
    std::uint8_t* row = states.data() + cell * static_cast<std::size_t>(bins);
    const auto intervals = tracks[cell].intervals(*track);
    // The first interval that ends behind the shard's start; the track is sorted and disjoint.
    auto at = std::upper_bound(
        intervals.begin(), intervals.end(), shard.start_bp,
        [](std::int64_t bp, const StateInterval& interval) { return bp < interval.end_bp; });
    for (; at != intervals.end() && at->start_bp < shard.start_bp + shard.length_bp; ++at) {
      const std::int64_t first = std::max<std::int64_t>(0, at->start_bp - shard.start_bp) / bin_bp;
      // Cut before it is rounded: an end far past the contig's would overflow.
      const std::int64_t end_bp = std::min(shard.length_bp, at->end_bp - shard.start_bp);
      const std::int64_t end = std::min(bins, round_up(end_bp, bin_bp) / bin_bp);
      std::fill(row + first, row + end, plan.codes[static_cast<std::size_t>(at->state)]);
    }
  }
  return states;
}

}  // namespace epi::data
