// Names are matched by ContigNames only; lengths by where the intervals end. That a track belongs
// to another assembly is an error where both assemblies are known, else a doubt in the warning: a
// cut FASTA looks alike.
#include "data/track_match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "core/error.hpp"
#include "data/assembly.hpp"

namespace epi::data {
namespace {

/// Intervals that don't fit the store: usual (a cut FASTA, an assembly's odd contigs), so counted.
struct Misfits {
  std::int64_t clipped = 0, skipped = 0, on_unknown = 0;
  std::set<std::string> unknown_contigs;
  std::vector<std::int64_t> furthest_bp;  ///< per contig: where states end in any cell
};

/// How far the contigs of these segmentations reach.
TrackEnds track_ends(std::span<const TrackWork> tracks) {
  TrackEnds ends;
  for (const TrackWork& track : tracks) {
    for (std::size_t t = 0; t < track.contigs().size(); ++t) {
      std::int64_t& end_bp = ends[track.contigs()[t]];
      end_bp = std::max(end_bp, track.intervals(t).back().end_bp);
    }
  }
  return ends;
}

/// The file of a cell that holds contig `t` of its track.
std::string file_of(const MatchRequest& request, std::size_t cell, std::size_t t) {
  return request.sheet[cell].file(request.tracks[cell].file_of(t));
}

/// Both lists when a contig's length and the end of its states are more than a bin apart: the sign
/// of another assembly, or of a cut FASTA. No text where all agree.
std::string lengths_text(const MatchRequest& request, const Misfits& misfits) {
  std::vector<std::string> genome_list, state_list;
  bool differ = false;
  for (std::size_t i = 0; i < request.contigs.size(); ++i) {
    const Contig& contig = request.contigs[i];
    const std::int64_t end_bp = misfits.furthest_bp[i];
    differ = differ || std::abs(end_bp - contig.length_bp) > request.bin_bp;
    genome_list.push_back(fmt::format("{} ({} bp)", contig.name, contig.length_bp));
    state_list.push_back(fmt::format("{} (to {})", contig.name, end_bp));
  }
  if (!differ) return {};
  const std::string assembly = assembly_of_ends(track_ends(request.tracks), request.bin_bp);
  return fmt::format(
      "lengths differ by more than a bin ({}): in the genome: {}; in the segmentations: {}",
      assembly.empty()
          ? "is it the same assembly?"
          : fmt::format("segmentations end as {} does: is the sequence cut?", assembly),
      list_text(genome_list), list_text(state_list));
}

std::string counts_text(const Misfits& misfits) {
  if (misfits.clipped + misfits.skipped + misfits.on_unknown == 0) return {};
  const std::vector<std::string> unknown(misfits.unknown_contigs.begin(),
                                         misfits.unknown_contigs.end());
  return fmt::format(
      "state intervals past the end of a shorter contig: {} clipped, {} skipped; on contigs that "
      "are not in the store ({}): {} skipped",
      misfits.clipped, misfits.skipped, list_text(unknown), misfits.on_unknown);
}

std::string text_of(const MatchRequest& request, const Misfits& misfits) {
  const std::string counts = counts_text(misfits);
  const std::string lengths = lengths_text(request, misfits);
  return counts + (counts.empty() || lengths.empty() ? "" : "; ") + lengths;
}

/// Sorted and disjoint, so all that reach past the end stand at the end.
void count_past_end(std::span<const StateInterval> intervals, const Contig& contig,
                    Misfits& misfits) {
  for (auto it = intervals.rbegin(); it != intervals.rend() && it->end_bp > contig.length_bp;
       ++it) {
    ++(it->start_bp < contig.length_bp ? misfits.clipped : misfits.skipped);
  }
}

/// Bins are whole but for the contig's last; an odd end elsewhere is another contig's length.
void refuse_foreign_end(const MatchRequest& request, std::size_t cell, std::size_t t,
                        const Contig& contig) {
  const StateInterval& last = request.tracks[cell].intervals(t).back();
  if (last.end_bp >= contig.length_bp || last.end_bp % request.bin_bp == 0) return;
  throw core::InputError(fmt::format(
      "{}:{}: the last interval of contig '{}' ends at {}, which is neither a multiple of {} bp "
      "nor the contig's end ({}); is the segmentation of another assembly?",
      file_of(request, cell, t), last.line, contig.name, last.end_bp, request.bin_bp,
      contig.length_bp));
}

/// A cell whose ends are those of another known assembly than the genome's: shown by the first
/// contig on which the two differ.
void refuse_other_assembly(const MatchRequest& request, std::size_t cell) {
  if (request.assembly.empty()) return;
  const TrackWork& track = request.tracks[cell];
  const std::string other = assembly_of_ends(track_ends({&track, 1}), request.bin_bp);
  if (other.empty() || other == request.assembly) return;
  for (std::size_t t = 0; t < track.contigs().size(); ++t) {
    const std::string& name = track.contigs()[t];
    const std::int64_t end_bp = track.intervals(t).back().end_bp;
    const KnownContig* there = find_known(other, name);
    if (there == nullptr || std::abs(there->length_bp - end_bp) > request.bin_bp) continue;
    // By UCSC's name: RefSeq's differs between assemblies.
    const KnownContig* here = find_known(request.assembly, there->ucsc);
    if (here == nullptr || std::abs(here->length_bp - end_bp) <= request.bin_bp) continue;
    throw core::InputError(fmt::format(
        "{}: a segmentation of {}, but the genome is {}: contig '{}' ends at {}, as {}'s does "
        "({} bp), in {} it has {} bp; take both from one assembly",
        file_of(request, cell, t), other, request.assembly, name, end_bp, other, there->length_bp,
        request.assembly, here->length_bp));
  }
}

/// States behind the end of a contig that is not cut.
void refuse_past_known_end(const MatchRequest& request, std::size_t cell, std::size_t t,
                           const Contig& contig) {
  const KnownContig* known = find_known(request.assembly, contig.name);
  const StateInterval& last = request.tracks[cell].intervals(t).back();
  if (known == nullptr || known->length_bp != contig.length_bp) return;
  if (last.end_bp - contig.length_bp <= request.bin_bp) return;
  throw core::InputError(fmt::format(
      "{}:{}: contig '{}' ends at {}, but has {} bp in the genome and in {}; the segmentation is "
      "of another assembly: take both from one",
      file_of(request, cell, t), last.line, request.tracks[cell].contigs()[t], last.end_bp,
      contig.length_bp, request.assembly));
}

[[noreturn]] void refuse_twins(const MatchRequest& request, std::size_t cell, std::size_t first,
                               std::size_t second) {
  const auto& contigs = request.tracks[cell].contigs();
  throw core::InputError(fmt::format(
      "{}: contig '{}' is the same as contig '{}' of {} by --alias or --alias-chr; a cell has the "
      "states of a contig once",
      file_of(request, cell, second), contigs[second], contigs[first],
      file_of(request, cell, first)));
}

/// What the user can do about contigs `bare` without states; `rich` have some.
std::string advice(const MatchRequest& request, const std::vector<std::string>& bare,
                   const std::vector<std::string>& rich, const TrackEnds& ends) {
  std::vector<std::string> unknown;
  for (const auto& [name, end_bp] : ends) {
    if (!request.names.find(name)) unknown.push_back(name);
  }
  std::vector<Contig> stateless;
  for (const Contig& contig : request.contigs) {
    if (std::find(bare.begin(), bare.end(), contig.name) != bare.end()) stateless.push_back(contig);
  }
  if (const std::string aliases = alias_advice(unknown, stateless); !aliases.empty()) {
    return aliases;
  }
  if (rich.empty()) return "are sequence and segmentations of the same species and assembly?";
  std::string list;
  for (const std::string& name : rich) list += (list.empty() ? "" : ",") + name;
  return "to leave such contigs out: --contigs " + list;
}

void refuse_stateless(const MatchRequest& request, const std::vector<bool>& has_states) {
  std::vector<std::string> bare, rich;
  for (std::size_t i = 0; i < request.contigs.size(); ++i) {
    (has_states[i] ? rich : bare).push_back(request.contigs[i].name);
  }
  if (bare.empty()) return;
  const TrackEnds ends = track_ends(request.tracks);
  std::vector<std::string> genome_list, state_list;
  for (const Contig& contig : request.contigs) {
    genome_list.push_back(fmt::format("{} ({} bp)", contig.name, contig.length_bp));
  }
  for (const auto& [name, end_bp] : ends) {
    state_list.push_back(fmt::format("{} (to {})", name, end_bp));
  }
  throw core::InputError(
      fmt::format("no cell has states on contig {}\n  contigs of the genome: {}\n  contigs of the "
                  "segmentations: {}\n  {}",
                  list_text(bare), list_text(genome_list), list_text(state_list),
                  advice(request, bare, rich, ends)));
}

/// A cell with files and none of the store's contigs would be shown as missing throughout: the sign
/// of contigs that are named otherwise in this file than in the others'.
void refuse_stranger(const MatchRequest& request, std::size_t cell,
                     const std::vector<std::optional<std::size_t>>& row) {
  const std::vector<std::string>& names = request.tracks[cell].contigs();
  const bool any = std::any_of(row.begin(), row.end(), [](const auto& t) { return t.has_value(); });
  if (names.empty() || any) return;
  std::vector<std::string> known;
  for (const Contig& contig : request.contigs) known.push_back(contig.name);
  const std::string advice = alias_advice(names, request.contigs);
  throw core::InputError(fmt::format(
      "{}: cell '{}' has states on no contig of the store\n  contigs of the store: {}\n  contigs "
      "of "
      "the file: {}\n  {}",
      file_of(request, cell, 0), request.sheet[cell].cell, list_text(known), list_text(names),
      advice.empty() ? "if it has none by right, leave its path empty in the sheet" : advice));
}

}  // namespace

MatchedTracks match_tracks(const MatchRequest& request) {
  MatchedTracks result;
  Misfits misfits;
  misfits.furthest_bp.assign(request.contigs.size(), 0);
  std::vector<bool> has_states(request.contigs.size(), false);
  for (std::size_t cell = 0; cell < request.tracks.size(); ++cell) {
    refuse_other_assembly(request, cell);
    const TrackWork& track = request.tracks[cell];
    auto& row = result.tracks.emplace_back(request.contigs.size());
    for (std::size_t t = 0; t < track.contigs().size(); ++t) {
      const auto intervals = track.intervals(t);
      const auto found = request.names.find(track.contigs()[t]);
      if (!found) {
        misfits.on_unknown += static_cast<std::int64_t>(intervals.size());
        misfits.unknown_contigs.insert(track.contigs()[t]);
        continue;
      }
      const auto index = static_cast<std::size_t>(*found);
      const Contig& contig = request.contigs[index];
      if (row[index]) refuse_twins(request, cell, *row[index], t);
      row[index] = t;
      if (intervals.front().start_bp < contig.length_bp) has_states[index] = true;
      refuse_past_known_end(request, cell, t, contig);
      refuse_foreign_end(request, cell, t, contig);
      count_past_end(intervals, contig, misfits);
      std::int64_t& furthest_bp = misfits.furthest_bp[index];
      furthest_bp = std::max(furthest_bp, intervals.back().end_bp);
    }
  }
  refuse_stateless(request, has_states);
  for (std::size_t cell = 0; cell < request.tracks.size(); ++cell) {
    refuse_stranger(request, cell, result.tracks[cell]);
  }
  result.warning = text_of(request, misfits);
  return result;
}

}  // namespace epi::data
