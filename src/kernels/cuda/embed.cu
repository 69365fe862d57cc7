// dropout(LayerNorm(sum of up to four table rows)) in one kernel: a team of warps a token, its row
// in registers. Tables stay in the second-level cache; memory sees little but the output.
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/embed_tables.cuh"

namespace epi::kernels::cuda {
namespace {

template <class T>
struct EmbedJob {
  EmbedTables tables;
  const float* gamma;
  const float* beta;
  T* out;
  float* mean;
  float* rstd;
  std::int64_t rows;
  DropoutSite dropout;
  float epsilon;
  int warps;
};

/// One block a multiprocessor is asked for so that odd rows spill no registers.
template <bool kWhole, int kEights, class T>
__global__ void __launch_bounds__(kRowThreads, 1) embed_kernel(EmbedJob<T> job) {
  const RowPlace at(job.tables.hidden, job.warps);
  const std::int64_t n = std::int64_t{simt::block_x()} * at.teams + at.team;
  const bool active = n < job.rows;
  float row[kEights][kEight] = {};
  if (active) {
    sum_token_rows<kWhole>(at, job.tables, token_rows(job.tables, n), row);
  }
  const float mean = mean_of(at, row);
  const float rstd = inverse_deviation(at, row, mean, job.epsilon);
  if (!active) return;
  const std::int64_t sample = n / job.tables.tokens;
  const std::int64_t first = (n - sample * job.tables.tokens) * job.tables.hidden;
  const DropoutDraws draws(job.dropout, sample);
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= at.hidden) continue;
    normalise_eight<kWhole>(at, i, job.gamma, job.beta, mean, rstd, row[i]);
    if (draws.drop()) {
      float factors[kEight];
      draws.eight<kWhole>(first + at.column(i), factors);
#pragma unroll
      for (int j = 0; j < kEight; ++j) row[i][j] *= factors[j];
    }
    store_floats<kWhole>(job.out + n * job.tables.hidden, at.column(i), at.hidden, row[i]);
  }
  if (at.first == 0) {
    job.mean[n] = mean;
    job.rstd[n] = rstd;
  }
}

template <class T>
void forward(const EmbedArgs& args, const Context& context) {
  const std::int64_t hidden = args.out.shape(2);
  const std::int64_t rows = args.out.shape(0) * args.out.shape(1);
  const RowTeams teams = row_teams(hidden, kRowWarps);
  const EmbedJob<T> job{.tables = embed_tables(args.tables, args.out.shape(1), hidden),
                        .gamma = args.gamma.as<float>(),
                        .beta = args.beta.as<float>(),
                        .out = args.out.as<T>(),
                        .mean = args.mean.as<float>(),
                        .rstd = args.rstd.as<float>(),
                        .rows = rows,
                        .dropout = dropout_site(args.dropout, args.state),
                        .epsilon = args.epsilon,
                        .warps = teams.warps};
  const bool whole =
      tables_are_whole(job.tables) && rows_are_whole(hidden, job.gamma, job.beta, job.out);
  const Launch launch = row_launch(teams, blocks_for(rows, teams.teams));
  with_flag(whole, [&](auto is_whole) {
    with_count(teams.eights, [&](auto eights) {
      simt::launch(embed_kernel<is_whole(), eights(), T>, launch, context.stream, job);
    });
  });
}

}  // namespace

void embed(const EmbedArgs& args, const Context& context) {
  with_activation(args.out.dtype(), [&](auto t) { forward<decltype(t)>(args, context); });
}

}  // namespace epi::kernels::cuda
