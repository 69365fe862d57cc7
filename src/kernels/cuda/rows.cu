// Weighted gather and scatter of rows. Bound by memory.
//
// Scattering: entries are sorted by the row that they go to, then each row's entries are summed in
// f32 and written once, so the result is the same however rows repeat. Unused target slots all name
// one row: its sum is shared by many blocks.
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/row_dispatch.hpp"
#include "kernels/cuda/row_loops.cuh"
#include "kernels/cuda/row_sums.cuh"
#include "kernels/cuda/scratch.hpp"

namespace epi::kernels::cuda {
namespace {

template <class T>
struct GatherJob {
  const T* in;
  const std::int32_t* rows;
  const float* weights;  ///< or null: 1
  T* out;
  std::int64_t picked, num_rows, hidden;
  int warps;
};

template <bool kWhole, int kEights, class T>
__global__ void __launch_bounds__(kRowThreads) gather_rows_kernel(GatherJob<T> job) {
  const RowPlace at(job.hidden, job.warps);
  const std::int64_t m = std::int64_t{simt::block_x()} * at.teams + at.team;
  if (m >= job.picked) return;
  const std::int64_t row = job.rows[m];
  if (row < 0 || row >= job.num_rows) simt::trap();
  const float weight = job.weights == nullptr ? 1.0F : job.weights[m];
  Eight<T> loaded[kEights];
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= at.hidden) continue;
    loaded[i] = load_eight<kWhole>(job.in + row * job.hidden, at.column(i), at.hidden);
  }
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= at.hidden) continue;
    float values[kEight];
    widen_eight(loaded[i], values);
#pragma unroll
    for (int j = 0; j < kEight; ++j) values[j] *= weight;
    store_floats<kWhole>(job.out + m * job.hidden, at.column(i), at.hidden, values);
  }
}

template <class T>
void gather(const GatherRowsArgs& args, const Context& context) {
  const std::int64_t hidden = args.in.shape(1);
  const RowTeams teams = row_teams(hidden, kRowWarps);
  const GatherJob<T> job{.in = args.in.as<T>(),
                         .rows = args.rows.as<std::int32_t>(),
                         .weights = elements<float>(args.weights),
                         .out = args.out.as<T>(),
                         .picked = args.rows.size(),
                         .num_rows = args.in.shape(0),
                         .hidden = hidden,
                         .warps = teams.warps};
  const Launch launch = row_launch(teams, blocks_for(job.picked, teams.teams));
  with_flag(rows_are_whole(hidden, job.in, job.out), [&](auto is_whole) {
    with_count(teams.eights, [&](auto eights) {
      simt::launch(gather_rows_kernel<is_whole(), eights(), T>, launch, context.stream, job);
    });
  });
}

template <class T>
void scatter(const ScatterRowsArgs& args, const Context& context) {
  const std::int64_t hidden = args.in.shape(1);
  const SortLists lists{.index = {args.rows.as<std::int32_t>()},
                        .num_rows = {args.out.shape(0)},
                        .lists = 1,
                        .entries = args.rows.size()};
  const std::int64_t partials = sum_pieces_of(lists.entries) * 2 * hidden;
  context.scratch.begin(sort_bytes(lists) + Scratch::bytes<float>(partials));
  const SortedEntries sorted = sort_entries(lists, context).front();
  const bool adds = args.write == Write::add;
  if (!adds) core::device_backend::fill_zero(args.out.raw(), args.out.bytes(), context.stream);
  const RowSums<T> job{.lists = {{.sorted = sorted,
                                  .out = args.out.as<T>(),
                                  .adds = adds,
                                  .partials = context.scratch.take<float>(partials)}},
                       .num_lists = 1,
                       .in = args.in.as<T>(),
                       .weights = elements<float>(args.weights),
                       .entries = lists.entries,
                       .hidden = hidden};
  with_flag(rows_are_whole(hidden, job.in, args.out.raw()),
            [&](auto is_whole) { sum_rows<is_whole()>(job, context.stream); });
}

}  // namespace

void gather_rows(const GatherRowsArgs& args, const Context& context) {
  with_activation(args.in.dtype(), [&](auto t) { gather<decltype(t)>(args, context); });
}

void scatter_rows(const ScatterRowsArgs& args, const Context& context) {
  with_activation(args.in.dtype(), [&](auto t) { scatter<decltype(t)>(args, context); });
}

}  // namespace epi::kernels::cuda
