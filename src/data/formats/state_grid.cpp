// One division per boundary: the divisor falls a few times per file and then stays.
#include "data/formats/state_grid.hpp"

#include <fmt/format.h>

#include <numeric>

#include "core/error.hpp"

namespace epi::data {
namespace {

constexpr std::int64_t kSmallestBinBp = 10;

void add_boundary(Grid& grid, std::int64_t at_bp, std::int64_t line) {
  if (at_bp == 0) return;
  ++grid.boundaries;
  if (grid.bin_bp != 0 && at_bp % grid.bin_bp == 0) return;
  grid.bin_bp = std::gcd(grid.bin_bp, at_bp);
  grid.line = line;
}

}  // namespace

Grid measure_grid(std::span<const ContigTrack> contigs, std::size_t file) {
  Grid grid{.file = file};
  for (const ContigTrack& contig : contigs) {
    const StateInterval* before = nullptr;
    for (const StateInterval& interval : contig.intervals) {
      if (before != nullptr) add_boundary(grid, before->end_bp, before->line);
      if (before != nullptr && before->end_bp == interval.start_bp) {
        ++grid.boundaries;  // as the end: it needs no second division
      } else {
        add_boundary(grid, interval.start_bp, interval.line);
      }
      before = &interval;
    }
  }
  return grid;
}

void refuse_shifted(std::span<const ContigTrack> contigs, const std::string& file) {
  std::int64_t closed_bp = 0;  // starts from 1, ends inclusive
  std::int64_t moved_bp = 0;   // both from 1
  std::int64_t line = 0;
  for (const ContigTrack& contig : contigs) {
    for (const StateInterval& interval : contig.intervals) {
      if (line == 0 && interval.start_bp > 0) line = interval.line;
      closed_bp = std::gcd(closed_bp, interval.start_bp - 1);
      moved_bp = std::gcd(moved_bp, interval.start_bp - 1);
      if (&interval == &contig.intervals.back()) continue;
      closed_bp = std::gcd(closed_bp, interval.end_bp);
      moved_bp = std::gcd(moved_bp, interval.end_bp - 1);
    }
  }
  if (closed_bp < kSmallestBinBp && moved_bp < kSmallestBinBp) return;
  const bool closed = closed_bp >= kSmallestBinBp;
  throw core::InputError(fmt::format(
      "{}:{}: coordinates look 1-based{}: {} lie on bins of {} bp; BED is 0-based half-open: "
      "subtract 1 from every {}",
      file, line, closed ? " (closed)" : "",
      closed ? "starts less one and ends" : "starts and ends less one",
      closed ? closed_bp : moved_bp, closed ? "start" : "start and end"));
}

Grid join_grids(std::span<const Grid> grids, std::span<const std::string> files) {
  Grid all;
  for (const Grid& grid : grids) {
    all.boundaries += grid.boundaries;
    const std::int64_t joint_bp = std::gcd(all.bin_bp, grid.bin_bp);
    if (joint_bp == all.bin_bp) continue;
    all.bin_bp = joint_bp;
    all.line = grid.line;
    all.file = grid.file;
  }
  for (const Grid& grid : grids) {
    if (grid.boundaries < kManyBoundaries || grid.bin_bp == all.bin_bp) continue;
    throw core::InputError(fmt::format(
        "{}:{}: bins of {} bp, but {} bp at {}:{}; one cell type has one bin size",
        files[grid.file], grid.line, grid.bin_bp, all.bin_bp, files[all.file], all.line));
  }
  return all;
}

}  // namespace epi::data
