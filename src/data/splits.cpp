// Per contig: the asked-for ranges, less guards, less gaps and blacklist. The result is then
// checked from its own lists, not from how it was made.
#include "data/splits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "core/error.hpp"
#include "data/formats/bed.hpp"

namespace epi::data {
namespace {

std::size_t at(Split split) {
  return static_cast<std::size_t>(split);
}

std::string known_contigs(std::span<const Contig> contigs) {
  std::vector<std::string> names;
  for (const Contig& contig : contigs) names.push_back(contig.name);
  return list_text(names);
}

/// A line of advice when an option would make names known; else nothing.
std::string advice_line(std::span<const std::string> unknown, std::span<const Contig> contigs) {
  const std::string advice = alias_advice(unknown, contigs);
  return advice.empty() ? advice : "\n  " + advice;
}

GenomeRanges whole_contigs(const std::string& text, const std::string& option,
                           std::span<const Contig> contigs, const ContigNames& names) {
  GenomeRanges ranges(contigs.size());
  for (const std::string& name : split_list(text, option)) {
    const auto contig = names.find(name);
    if (!contig) {
      throw core::InputError(fmt::format("{}: the genome has no contig '{}'; it has {}{}", option,
                                         name, known_contigs(contigs),
                                         advice_line({&name, 1}, contigs)));
    }
    const auto index = static_cast<std::size_t>(*contig);
    ranges[index] = {{0, contigs[index].length_bp}};
  }
  return ranges;
}

GenomeRanges regions_of(const std::string& path, std::span<const Contig> contigs,
                        const ContigNames& names) {
  GenomeRanges ranges(contigs.size());
  for (const Region& region : read_regions(path)) {
    const auto contig = names.find(region.contig);
    if (!contig) {
      throw core::InputError(fmt::format("{}:{}: the genome has no contig '{}'; it has {}{}", path,
                                         region.line, region.contig, known_contigs(contigs),
                                         advice_line({&region.contig, 1}, contigs)));
    }
    const auto index = static_cast<std::size_t>(*contig);
    if (region.range.end_bp > contigs[index].length_bp) {
      throw core::InputError(fmt::format("{}:{}: end {} is past the end of contig '{}' ({} bases)",
                                         path, region.line, region.range.end_bp,
                                         contigs[index].name, contigs[index].length_bp));
    }
    ranges[index].push_back(region.range);
  }
  for (Ranges& contig : ranges) contig = normalized(std::move(contig));
  return ranges;
}

std::int64_t size_of(const std::vector<Interval>& regions) {
  std::int64_t sum = 0;
  for (const Interval& region : regions) sum += region.end_bp - region.start_bp;
  return sum;
}

/// What the user asked for must not overlap; the guard settles the rest.
void refuse_shared(const Ranges& valid, const Ranges& test, const Contig& contig) {
  const Ranges shared = intersect(valid, test);
  if (shared.empty()) return;
  throw core::InputError(
      fmt::format("--valid and --test share bases: {}:{}-{}; a base belongs to one split",
                  contig.name, shared.front().start_bp, shared.front().end_bp));
}

/// A split that was asked for and holds nothing would evaluate nothing, later and without a word.
void refuse_vanished(const GenomeRanges& asked, const std::vector<Interval>& kept, Split split) {
  const bool wanted =
      std::any_of(asked.begin(), asked.end(), [](const Ranges& ranges) { return !ranges.empty(); });
  if (!wanted || size_of(kept) > 0) return;
  throw core::InputError(
      fmt::format("--{}: no base is left inside --regions and outside runs of N, the blacklist and "
                  "the guard around other splits",
                  name_of(split)));
}

}  // namespace

bool is_region_file(const std::string& text) {
  return text.find('/') != std::string::npos || text.ends_with(".bed") || text.ends_with(".bed.gz");
}

GenomeRanges read_held_out(const std::string& text, const std::string& option,
                           std::span<const Contig> contigs, const ContigNames& names) {
  return is_region_file(text) ? regions_of(text, contigs, names)
                              : whole_contigs(text, option, contigs, names);
}

RegionList read_region_list(const std::string& option, const std::filesystem::path& path,
                            std::span<const Contig> contigs, const ContigNames& names) {
  RegionList list{GenomeRanges(contigs.size()), {}};
  std::set<std::string> unknown;
  std::int64_t skipped = 0, kept = 0;
  for (const Region& region : read_regions(path)) {
    const auto contig = names.find(region.contig);
    ++(contig ? kept : skipped);
    if (contig) {
      list.ranges[static_cast<std::size_t>(*contig)].push_back(region.range);
    } else {
      unknown.insert(region.contig);
    }
  }
  const std::vector<std::string> others(unknown.begin(), unknown.end());
  // A list without effect is a mistake that no later step would show.
  if (kept == 0 && skipped > 0) {
    throw core::InputError(
        fmt::format("{}: {}: no contig of it is in the store\n  contigs "
                    "of the store: {}\n  contigs of the file: {}{}",
                    option, path.string(), known_contigs(contigs), list_text(others),
                    advice_line(others, contigs)));
  }
  if (skipped > 0) {
    list.warning = fmt::format("{}: {} of {} regions lie on contigs that are not in the store ({})",
                               option, skipped, skipped + kept, list_text(others));
  }
  for (Ranges& contig : list.ranges) contig = normalized(std::move(contig));
  return list;
}

std::array<std::vector<Interval>, 3> plan_splits(const SplitRequest& request) {
  std::array<std::vector<Interval>, 3> regions;
  for (std::size_t c = 0; c < request.contigs.size(); ++c) {
    const std::int64_t length_bp = request.contigs[c].length_bp;
    const Ranges& test = request.test[c];
    refuse_shared(request.valid[c], test, request.contigs[c]);
    // Whole contigs grow into nothing: their neighbours are other contigs.
    const Ranges near_test = grown(test, request.guard_bp, length_bp);
    const Ranges near_valid = grown(request.valid[c], request.guard_bp, length_bp);
    // Valid gives way to test: test is the split that must stay as published.
    const Ranges valid = subtract(request.valid[c], near_test);
    const Ranges train = subtract(subtract({{0, length_bp}}, near_test), near_valid);
    for (const auto& [split, ranges] :
         {std::pair(Split::train, train), {Split::valid, valid}, {Split::test, test}}) {
      const Ranges usable = subtract(subtract(ranges, request.gaps[c]), request.unwanted[c]);
      for (const Range& range : usable) {
        regions[at(split)].push_back({static_cast<std::int32_t>(c), range.start_bp, range.end_bp});
      }
    }
  }
  refuse_vanished(request.valid, regions[at(Split::valid)], Split::valid);
  refuse_vanished(request.test, regions[at(Split::test)], Split::test);
  check_splits(regions, request.guard_bp);
  return regions;
}

void check_splits(std::span<const std::vector<Interval>, 3> regions, std::int64_t guard_bp) {
  struct Owned {
    Interval region;
    std::size_t split;
  };
  std::vector<Owned> all;
  for (std::size_t split = 0; split < regions.size(); ++split) {
    const std::size_t first = all.size();
    for (const Interval& region : regions[split]) {
      core::require(region.start_bp < region.end_bp, "a split's region is not empty");
      const bool sorted =
          all.size() == first || std::tie(all.back().region.contig, all.back().region.end_bp) <=
                                     std::tie(region.contig, region.start_bp);
      core::require(sorted, "a split's regions are sorted and disjoint");
      all.push_back({region, split});
    }
  }
  std::sort(all.begin(), all.end(), [](const Owned& a, const Owned& b) {
    return std::tie(a.region.contig, a.region.start_bp) <
           std::tie(b.region.contig, b.region.start_bp);
  });
  // Neighbours suffice: each region is disjoint from its own split's, and sorted ones that clear
  // their neighbour clear all that follow.
  for (std::size_t i = 1; i < all.size(); ++i) {
    if (all[i].region.contig != all[i - 1].region.contig) continue;
    const std::int64_t distance = all[i].region.start_bp - all[i - 1].region.end_bp;
    core::require(distance >= (all[i].split == all[i - 1].split ? 0 : guard_bp),
                  "two splits share a base or lie closer than the guard");
  }
}

}  // namespace epi::data
