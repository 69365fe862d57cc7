// Weighted gather and scatter of rows. Bound by memory.
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/embed_sort.hpp"
#include "kernels/cpu/indices.hpp"
#include "kernels/cpu/norm_loops.hpp"

namespace epi::kernels::cpu {
namespace {

float weight_of(const ConstView& weights, std::int64_t row) {
  return weights ? weights.as<float>()[row] : 1.0F;
}

template <class T>
void gather(const GatherRowsArgs& args, Pool& pool) {
  const std::int64_t hidden = args.in.shape(1);
  const auto* rows = args.rows.as<std::int32_t>();
  const Cut cut = cut_rows(args.rows.size(), hidden);
  for_pieces(pool, cut, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t m = begin; m < end; ++m) {
      norm_loops_of<T>().scaled(weight_of(args.weights, m), elements<T>(args.in) + rows[m] * hidden,
                                hidden, elements<T>(args.out) + m * hidden);
    }
  });
}

// Entries are sorted by the row that they go to (stable), so each output row is summed in the order
// of m, in float and without locks, and written once.
template <class T>
void scatter(const ScatterRowsArgs& args, Pool& pool) {
  const std::int64_t hidden = args.in.shape(1);
  const std::int64_t entries = args.rows.size();
  const std::int64_t rows = args.out.shape(0);
  Scratch scratch(
      pool, 2 * Scratch::bytes<std::int32_t>(entries) + Scratch::bytes<std::int64_t>(rows + 1));
  const SortedEntries sorted{scratch.take<std::int32_t>(entries),
                             scratch.take<std::int32_t>(entries)};
  auto* ends = scratch.take<std::int64_t>(rows + 1);  // after sorting: where each row's entries end
  sort_entries(args.rows.as<std::int32_t>(), entries, 1, rows, ends, sorted);
  for_pieces(pool, cut_rows(rows, hidden), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t first = row == 0 ? 0 : ends[row - 1];
      if (first == ends[row] && args.write == Write::add) continue;
      norm_loops_of<T>().sum_entries({.in = elements<T>(args.in),
                                      .entries = sorted.entry + first,
                                      .weights = elements<float>(args.weights),
                                      .out = elements<T>(args.out) + row * hidden,
                                      .count = ends[row] - first,
                                      .hidden = hidden,
                                      .adds = args.write == Write::add});
    }
  });
}

}  // namespace

void gather_rows(const GatherRowsArgs& args, Pool& pool) {
  require_indices("gather_rows: rows", args.rows, args.in.shape(0));
  with_element(args.in.dtype(), [&](auto t) { gather<decltype(t)>(args, pool); });
}

void scatter_rows(const ScatterRowsArgs& args, Pool& pool) {
  require_indices("scatter_rows: rows", args.rows, args.out.shape(0));
  with_element(args.in.dtype(), [&](auto t) { scatter<decltype(t)>(args, pool); });
}

}  // namespace epi::kernels::cpu
