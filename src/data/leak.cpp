// Set arithmetic on the regions of two manifests, or of a manifest and a file.
#include "data/leak.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "data/assembly.hpp"
#include "data/formats/columns.hpp"
#include "data/formats/labels.hpp"
#include "data/path_status.hpp"
#include "data/shard.hpp"

namespace epi::data {
namespace {

constexpr std::array kSplits{Split::train, Split::valid, Split::test};

/// Collects bases per contig. Label files step by 50 bases in rows of 200 and have tens of millions
/// of rows: what overlaps the row before is merged at once.
class PlaceCollector {
 public:
  void add(std::string_view contig, Range range) {
    if (places_.empty() || places_[current_].contig != contig) current_ = index_of(contig);
    Ranges& ranges = places_[current_].ranges;
    if (!ranges.empty() && range.start_bp >= ranges.back().start_bp &&
        range.start_bp <= ranges.back().end_bp) {
      ranges.back().end_bp = std::max(ranges.back().end_bp, range.end_bp);
    } else {
      ranges.push_back(range);
    }
  }

  std::vector<LeakPlaces> take() {
    for (LeakPlaces& place : places_) place.ranges = normalized(std::move(place.ranges));
    return std::move(places_);
  }

 private:
  std::size_t index_of(std::string_view contig) {
    const auto [found, is_new] = index_.emplace(contig, places_.size());
    if (is_new) places_.push_back({std::string(contig), {}});
    return found->second;
  }

  std::vector<LeakPlaces> places_;
  std::map<std::string, std::size_t, std::less<>> index_;
  std::size_t current_ = 0;
};

bool has_label_header(const std::filesystem::path& path) {
  TextFile file(path);
  std::string_view line;
  std::vector<std::string_view> columns;
  if (file.next_line(line)) split_columns(line, columns);
  return is_label_header(columns);
}

void read_labels(const std::filesystem::path& path, LeakAgainst& against) {
  LabelFile file(path);
  against.cells = file.cells();
  PlaceCollector places;
  for (LabelRow row; file.next(row);) places.add(row.contig, row.range);
  against.places = places.take();
}

void read_bed(const std::filesystem::path& path, LeakAgainst& against) {
  TextFile file(path);
  PlaceCollector places;
  for (BedRecord record; next_record(file, 3, record);) places.add(record.contig, record.range);
  against.places = places.take();
}

void read_store(const std::filesystem::path& path, const std::vector<Split>& splits,
                LeakAgainst& against) {
  against.store = read_manifest(path);
  const Manifest& manifest = *against.store;
  PlaceCollector places;
  for (std::size_t i = 0; i < manifest.contigs.size(); ++i) {
    for (const Split split : splits) {
      for (const Interval& region : manifest.regions[static_cast<int>(split)]) {
        if (static_cast<std::size_t>(region.contig) != i) continue;
        places.add(manifest.contigs[i].name, {region.start_bp, region.end_bp});
      }
    }
  }
  against.places = places.take();
  for (const Cell& cell : manifest.cells) against.cells.push_back(cell.id);
}

bool same_sequence(const Contig& a, const Contig& b) {
  if (!a.md5.empty() && !b.md5.empty()) return a.md5 == b.md5;
  return !a.digest.empty() && a.digest == b.digest;
}

const Contig* contig_of(const Manifest& manifest, const std::string& name) {
  const auto found = std::find_if(manifest.contigs.begin(), manifest.contigs.end(),
                                  [&](const Contig& contig) { return contig.name == name; });
  return found == manifest.contigs.end() ? nullptr : &*found;
}

/// "E1 (train), E2 (test)".
std::string text_of(const std::vector<const Cell*>& cells) {
  std::vector<std::string> names;
  for (const Cell* cell : cells)
    names.push_back(fmt::format("{} ({})", cell->id, name_of(cell->split)));
  return list_text(names);
}

Ranges regions_of(const Manifest& manifest, Split split, std::int32_t contig) {
  Ranges ranges;
  for (const Interval& region : manifest.regions[static_cast<int>(split)]) {
    if (region.contig == contig) ranges.push_back({region.start_bp, region.end_bp});
  }
  return normalized(std::move(ranges));
}

class Comparison {
 public:
  Comparison(const Manifest& trained, const LeakAgainst& against, const LeakOptions& options)
      : trained_(trained),
        against_(against),
        options_(options),
        names_(trained.contigs, options.prefix, options.aliases) {}

  LeakReport run() {
    check_assemblies();
    report_.trained_digest = trained_.digest;
    report_.against = against_.path;
    report_.guard_bp = trained_.guard_bp;
    report_.total.name = "total";
    for (const LeakPlaces& places : against_.places) add(places);
    for (const Found& found : found_) finish(found);
    check_names();
    check_given_cells();
    for (std::size_t i = 0; i < against_.cells.size(); ++i) add_cell(i);
    return std::move(report_);
  }

 private:
  void check_assemblies() const {
    if (!against_.store || trained_.assembly.empty() || against_.store->assembly.empty()) return;
    if (trained_.assembly == against_.store->assembly) return;
    throw core::InputError(fmt::format(
        "{}: is {}, the training set is {}: positions mean other bases there; compare with data of "
        "the same assembly, or lift one of them over",
        against_.path, against_.store->assembly, trained_.assembly));
  }

  /// Contigs that are nowhere in the training set are fine: unless no one is there, or an option
  /// would have found them.
  void check_names() const {
    std::vector<std::string> unknown;
    bool any = false;
    for (const LeakContig& contig : report_.contigs) {
      any = any || !contig.trained_name.empty();
      if (contig.trained_name.empty()) unknown.push_back(contig.name);
    }
    const std::string advice = alias_advice(unknown, trained_.contigs);
    if (any && advice.empty()) return;
    std::vector<std::string> known;
    for (const Contig& contig : trained_.contigs) known.push_back(contig.name);
    throw core::InputError(fmt::format(
        "{}: contigs that the training set does not have: {}; it has: {}{}{}", against_.path,
        list_text(unknown), list_text(known), advice.empty() ? "" : "; ", advice));
  }

  /// The same contig in the training set: by sequence, then by name.
  std::optional<std::int32_t> find(LeakContig& out, const Contig* there) const {
    const auto by_name = names_.find(out.name);
    if (there == nullptr) return by_name;
    const auto same = [&](std::int32_t i) {
      return same_sequence(trained_.contigs[static_cast<std::size_t>(i)], *there);
    };
    if (by_name && same(*by_name)) return by_name;
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(trained_.contigs.size()); ++i) {
      if (!same(i)) continue;
      out.note = "the same sequence under another name";
      return i;
    }
    return by_name;
  }

  /// Whether positions on two contigs of one name mean the same bases.
  bool comparable(LeakContig& out, const Contig* there, const Contig& here) const {
    if (there == nullptr || same_sequence(here, *there)) return true;
    const bool same_assembly =
        !trained_.assembly.empty() && trained_.assembly == against_.store->assembly;
    // An assembly is known by its chromosomes; hg19 goes about with two mitochondria.
    const bool by_assembly = same_assembly && !is_mitochondrion(here.name);
    if (here.length_bp == there->length_bp || by_assembly) {
      out.note = "other bases under the same name: compared by position";
      return true;
    }
    out.note = fmt::format(
        "NOT COMPARED: {} bp there, {} bp in the training set, and no assembly is known for both",
        there->length_bp, here.length_bp);
    return false;
  }

  /// A contig of what is compared, and where it is in the training set.
  struct Found {
    LeakContig out;
    std::optional<std::int32_t> trained;
    Ranges ranges;
  };

  void add(const LeakPlaces& places) {
    Found found{{}, {}, places.ranges};
    found.out.name = places.contig;
    const Contig* there = against_.store ? contig_of(*against_.store, places.contig) : nullptr;
    found.trained = find(found.out, there);
    if (found.trained) {
      const Contig& here = trained_.contigs[static_cast<std::size_t>(*found.trained)];
      found.out.trained_name = here.name;
      found.out.compared = comparable(found.out, there, here);
    } else {
      found.out.note = "not in the training set";
    }
    if (!joins_twin(found)) found_.push_back(std::move(found));
  }

  /// "chr22" and "22" of one file may be one contig: its bases count once.
  bool joins_twin(Found& found) {
    if (!found.out.compared) return false;
    const auto twin = std::find_if(found_.begin(), found_.end(), [&](const Found& other) {
      return other.out.compared && other.trained == found.trained;
    });
    if (twin == found_.end()) return false;
    twin->ranges.insert(twin->ranges.end(), found.ranges.begin(), found.ranges.end());
    std::string& note = twin->out.note;
    note += fmt::format("{}counted together with {}", note.empty() ? "" : "; ", found.out.name);
    return true;
  }

  void finish(const Found& found) {
    const Ranges ranges = normalized(found.ranges);
    LeakContig out = found.out;
    out.bases = total_bp(ranges);
    if (out.compared) count(ranges, *found.trained, out);
    add_to_total(out);
    report_.contigs.push_back(std::move(out));
  }

  void count(const Ranges& ranges, std::int32_t contig, LeakContig& out) const {
    const std::int64_t length_bp = trained_.contigs[static_cast<std::size_t>(contig)].length_bp;
    const Ranges inside = intersect(ranges, {{0, length_bp}});
    out.past_end_bp = out.bases - total_bp(inside);
    for (const Split split : kSplits) {
      out.shared_bp[static_cast<int>(split)] =
          total_bp(intersect(inside, regions_of(trained_, split, contig)));
    }
    const Ranges train = regions_of(trained_, Split::train, contig);
    const Ranges around = subtract(grown(train, trained_.guard_bp, length_bp), train);
    out.near_bp = total_bp(intersect(inside, around));
  }

  void add_to_total(const LeakContig& contig) {
    LeakContig& total = report_.total;
    total.bases += contig.bases;
    for (const Split split : kSplits) {
      total.shared_bp[static_cast<int>(split)] += contig.shared_bp[static_cast<int>(split)];
    }
    total.near_bp += contig.near_bp;
    total.past_end_bp += contig.past_end_bp;
  }

  [[nodiscard]] const Cell* trained_cell(const std::string& id) const {
    const auto found = std::find_if(trained_.cells.begin(), trained_.cells.end(),
                                    [&](const Cell& cell) { return cell.id == id; });
    return found == trained_.cells.end() ? nullptr : &*found;
  }

  void check_given_cells() const {
    for (const auto& [name, id] : options_.cells) {
      if (std::find(against_.cells.begin(), against_.cells.end(), name) == against_.cells.end()) {
        throw core::ConfigError(fmt::format("--cells: {} has no cell type '{}'; it has: {}",
                                            against_.path, name, list_text(against_.cells)));
      }
      if (trained_cell(id) == nullptr) {
        throw core::ConfigError(fmt::format("--cells: the training set has no cell type '{}'", id));
      }
    }
  }

  /// Cell types of the training set with this segmentation.
  [[nodiscard]] std::vector<const Cell*> cells_with(const std::string& digest) const {
    std::vector<const Cell*> cells;
    for (const Cell& cell : trained_.cells) {
      if (!digest.empty() && cell.digest == digest) cells.push_back(&cell);
    }
    return cells;
  }

  /// Whatever it is called: data that were trained on decide, and the rest is in the note.
  void add_cell(std::size_t index) {
    LeakCell cell;
    cell.name = against_.cells[index];
    const auto given = options_.cells.find(cell.name);
    const bool is_given = given != options_.cells.end();
    const Cell* const named = trained_cell(is_given ? given->second : cell.name);
    const Cell* here = named;
    if (named != nullptr) cell.match = is_given ? LeakMatch::given : LeakMatch::id;
    const std::string digest = against_.store ? against_.store->cells[index].digest : "";
    std::vector<const Cell*> twins = cells_with(digest);
    if (!twins.empty() && (named == nullptr || named->split != Split::train)) {
      const auto trained = std::find_if(
          twins.begin(), twins.end(), [](const Cell* twin) { return twin->split == Split::train; });
      if (named == nullptr || trained != twins.end()) {
        here = trained != twins.end() ? *trained : twins.front();
        cell.match = LeakMatch::segmentation;
      }
    }
    if (here == nullptr) return report_.cells.push_back(cell);
    cell.trained_id = here->id;
    cell.split = here->split;
    if (named != nullptr && !digest.empty() && !named->digest.empty() && named->digest != digest) {
      cell.note = fmt::format("{} has another segmentation", text_of({named}));
    }
    std::erase(twins, here);
    if (!twins.empty()) {
      cell.note += fmt::format("{}the same segmentation as {}", cell.note.empty() ? "" : "; ",
                               text_of(twins));
    }
    report_.cells.push_back(cell);
  }

  const Manifest& trained_;
  const LeakAgainst& against_;
  const LeakOptions& options_;
  ContigNames names_;
  std::vector<Found> found_;
  LeakReport report_;
};

}  // namespace

LeakAgainst read_against(const std::filesystem::path& path, const std::vector<Split>& splits) {
  LeakAgainst against;
  against.path = path.string();
  if (std::filesystem::is_directory(status_of(path))) {
    read_store(path, splits, against);
  } else if (has_label_header(path)) {
    read_labels(path, against);
  } else {
    read_bed(path, against);
  }
  if (!against.places.empty()) return against;
  throw core::InputError(against.path + ": holds no region to compare");
}

bool LeakReport::undecided() const {
  return std::any_of(contigs.begin(), contigs.end(), [](const LeakContig& contig) {
    return !contig.trained_name.empty() && !contig.compared;
  });
}

LeakReport find_leaks(const Manifest& trained, const LeakAgainst& against,
                      const LeakOptions& options) {
  return Comparison(trained, against, options).run();
}

}  // namespace epi::data
