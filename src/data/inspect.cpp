#include "data/inspect.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "core/error.hpp"
#include "data/windows.hpp"

namespace epi::data {
namespace {

constexpr std::array kSplits{Split::train, Split::valid, Split::test};

const std::vector<Interval>& regions(const Manifest& manifest, Split split) {
  return manifest.regions[static_cast<int>(split)];
}

std::vector<std::int64_t> region_bp(const Manifest& manifest, Split split) {
  std::vector<std::int64_t> bases(manifest.contigs.size());
  for (const Interval& region : regions(manifest, split)) {
    bases.at(static_cast<std::size_t>(region.contig)) += region.end_bp - region.start_bp;
  }
  return bases;
}

std::vector<std::vector<std::int64_t>> count_bins(const core::CorpusView& corpus) {
  std::vector<std::vector<std::int64_t>> counts;
  for (std::int32_t cell = 0; cell < corpus.num_cells; ++cell) {
    std::array<std::int64_t, 256> count{};
    for (const core::SegmentView& segment : corpus.segments) {
      const std::int64_t bins = (segment.length_bp + corpus.bin_bp - 1) / corpus.bin_bp;
      const std::uint8_t* const states = segment.states[cell];
      for (std::int64_t bin = 0; bin < bins; ++bin) ++count[states[bin]];
    }
    counts.emplace_back(count.begin(), count.begin() + corpus.num_states + 1);
  }
  return counts;
}

/// One sweep over both lists, which are sorted and share no base: the nearest two are neighbours.
void measure_distance(Inspection& out, Split held_out) {
  const std::vector<Interval>& train = regions(out.manifest, Split::train);
  const std::vector<Interval>& held = regions(out.manifest, held_out);
  const auto place = [](const Interval& region) {
    return std::pair(region.contig, region.start_bp);
  };
  for (std::size_t a = 0, b = 0; a < train.size() && b < held.size();) {
    const bool train_first = place(train[a]) < place(held[b]);
    const Interval& first = train_first ? train[a] : held[b];
    const Interval& second = train_first ? held[b] : train[a];
    ++(train_first ? a : b);
    if (first.contig != second.contig) continue;
    const std::int64_t between = second.start_bp - first.end_bp;
    out.nearest_bp = out.nearest_bp < 0 ? between : std::min(out.nearest_bp, between);
  }
}

/// Cell types that windows of a split are shown with: its own and those of training.
std::int64_t cells_shown(const Manifest& manifest, Split split) {
  return std::count_if(manifest.cells.begin(), manifest.cells.end(), [split](const Cell& cell) {
    return cell.split == Split::train || cell.split == split;
  });
}

WindowCount count_windows(const Store& store, const WindowShape& shape, Split split) {
  core::require(shape.k > 0 && shape.stride > 0 && shape.length >= 3, "a window has a k-mer");
  const Manifest& manifest = store.manifest();
  const WindowTable table(manifest, store.corpus(), split, shape.window_bp());
  WindowCount count{shape, split, table.size(), cells_shown(manifest, split), 0, 0.0};
  count.tokens = count.windows * std::max<std::int64_t>(count.num_cells, 1) * shape.length;
  count.bins_per_window = static_cast<double>(shape.window_bp()) / manifest.bin_bp;
  return count;
}

/// All splits, or none where the guard is too short for windows of this shape.
std::vector<WindowCount> count_windows(const Store& store, const WindowShape& shape) {
  std::vector<WindowCount> counts;
  try {
    for (const Split split : kSplits) counts.push_back(count_windows(store, shape, split));
  } catch (const core::ConfigError&) {
    counts.clear();
  }
  return counts;
}

std::string contig_line(const Inspection& in, std::size_t i) {
  const Contig& contig = in.manifest.contigs[i];
  return fmt::format("{:<12} {:>13} {:>13} {:>11.1f}% {:>8} {:>13} {:>13} {:>13}", contig.name,
                     contig.length_bp, contig.acgt_bp,
                     100.0 * static_cast<double>(contig.soft_masked_bp) /
                         static_cast<double>(std::max<std::int64_t>(contig.acgt_bp, 1)),
                     contig.iupac_bp, in.region_bp[0][i], in.region_bp[1][i], in.region_bp[2][i]);
}

/// "train+valid": the splits that this contig's regions belong to; "-" for none.
std::string splits_of(const Inspection& in, std::size_t contig) {
  std::string text;
  for (const Split split : kSplits) {
    if (in.region_bp[static_cast<int>(split)][contig] == 0) continue;
    text += fmt::format("{}{}", text.empty() ? "" : "+", name_of(split));
  }
  return text.empty() ? "-" : text;
}

/// Only training cell types on training contigs are learned from; anything else is held out.
std::string role(const Inspection& in, const Cell& cell, std::size_t contig) {
  const std::string contig_splits = splits_of(in, contig);
  if (contig_splits == "-" || cell.split == Split::train) return contig_splits;
  return fmt::format("{}/{}", contig_splits, name_of(cell.split));
}

void describe_contigs(const Inspection& in, std::vector<std::string>& out) {
  out.push_back(fmt::format("{:<12} {:>13} {:>13} {:>12} {:>8} {:>13} {:>13} {:>13}", "contig",
                            "bases", "ACGT", "soft-masked", "IUPAC", "train", "valid", "test"));
  for (std::size_t i = 0; i < in.manifest.contigs.size(); ++i) out.push_back(contig_line(in, i));
}

std::size_t longest_name(const Manifest& manifest) {
  std::size_t longest = 4;
  for (const Cell& cell : manifest.cells) longest = std::max(longest, cell.name.size());
  return longest;
}

void describe_cells(const Inspection& in, std::vector<std::string>& out) {
  const std::size_t name_width = longest_name(in.manifest);
  std::string header =
      fmt::format("{:<12} {:<{}} {:>9} {:>9}", "cell", "name", name_width, "split", "missing");
  for (const Contig& contig : in.manifest.contigs) header += fmt::format(" {:>12}", contig.name);
  out.push_back(header);
  for (std::size_t c = 0; c < in.manifest.cells.size(); ++c) {
    const Cell& cell = in.manifest.cells[c];
    const auto all = std::accumulate(in.bins[c].begin(), in.bins[c].end(), std::int64_t{0});
    std::string line = fmt::format("{:<12} {:<{}} {:>9} {:>8.1f}%", cell.id, cell.name, name_width,
                                   name_of(cell.split),
                                   100.0 * static_cast<double>(in.bins[c][0]) /
                                       static_cast<double>(std::max<std::int64_t>(all, 1)));
    for (std::size_t i = 0; i < in.manifest.contigs.size(); ++i) {
      line += fmt::format(" {:>12}", role(in, cell, i));
    }
    out.push_back(line);
  }
}

/// Shares are of the bins that have a state, over all cell types.
void describe_states(const Inspection& in, std::vector<std::string>& out) {
  std::vector<std::int64_t> sums(in.manifest.states.size() + 1);
  for (const auto& cell : in.bins) {
    std::transform(cell.begin(), cell.end(), sums.begin(), sums.begin(), std::plus<>());
  }
  const auto known = std::accumulate(sums.begin() + 1, sums.end(), std::int64_t{0});
  out.push_back(fmt::format("{:<6} {:<28} {:>13} {:>8}", "state", "label", "bins", "share"));
  for (std::size_t s = 0; s < in.manifest.states.size(); ++s) {
    out.push_back(fmt::format("{:<6} {:<28} {:>13} {:>7.3f}%", in.manifest.states[s].number,
                              in.manifest.states[s].label, sums[s + 1],
                              100.0 * static_cast<double>(sums[s + 1]) /
                                  static_cast<double>(std::max<std::int64_t>(known, 1))));
  }
  out.push_back(fmt::format("{:<6} {:<28} {:>13}", "-", "missing", sums[0]));
}

void describe_windows(const Inspection& in, std::vector<std::string>& out) {
  out.push_back(fmt::format("{:<10} {:>7} {:>9} {:>6} {:>6} {:>11} {:>6} {:>15}", "k/stride",
                            "tokens", "bases", "bins", "split", "windows", "cells",
                            "tokens/epoch"));
  for (const WindowCount& count : in.windows) {
    const WindowShape& shape = count.shape;
    out.push_back(fmt::format("{:<10} {:>7} {:>9} {:>6.1f} {:>6} {:>11} {:>6} {:>15}",
                              fmt::format("{}/{}", shape.k, shape.stride), shape.length,
                              shape.window_bp(), count.bins_per_window, name_of(count.split),
                              count.windows, count.num_cells, count.tokens));
  }
}

/// Stores whose splits share a base are not opened: see Manifest.
void describe_distance(const Inspection& in, std::vector<std::string>& out) {
  out.emplace_back("splits share no base");
  if (in.nearest_bp < 0) return;
  out.push_back(fmt::format("training regions keep {} bp from held-out ones (guard {} bp)",
                            in.nearest_bp, in.manifest.guard_bp));
}

}  // namespace

Inspection inspect(const Store& store, std::span<const WindowShape> shapes) {
  Inspection out;
  out.manifest = store.manifest();
  for (const Split split : kSplits) {
    out.region_bp[static_cast<int>(split)] = region_bp(out.manifest, split);
  }
  out.bins = count_bins(store.corpus());
  measure_distance(out, Split::valid);
  measure_distance(out, Split::test);
  for (const WindowShape& shape : shapes) {
    const auto counts = count_windows(store, shape);
    out.windows.insert(out.windows.end(), counts.begin(), counts.end());
  }
  return out;
}

std::vector<std::string> describe(const Inspection& inspection) {
  const Manifest& manifest = inspection.manifest;
  std::vector<std::string> out{
      fmt::format("store {} written by {}", manifest.digest, manifest.program),
      fmt::format("{} contigs, {} cell types, {} states in bins of {} bp, {} shards",
                  manifest.contigs.size(), manifest.cells.size(), manifest.states.size(),
                  manifest.bin_bp, manifest.shards.size()),
      ""};
  describe_contigs(inspection, out);
  out.emplace_back();
  describe_cells(inspection, out);
  out.emplace_back();
  describe_states(inspection, out);
  out.emplace_back();
  describe_windows(inspection, out);
  out.emplace_back();
  describe_distance(inspection, out);
  return out;
}

}  // namespace epi::data
