// LayerNorm(residual + dropout(x)) and its gradient: a team of warps a row, which stays in
// registers between its passes. Bound by memory.
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/row_dispatch.hpp"
#include "kernels/cuda/row_loops.cuh"
#include "kernels/cuda/scratch.hpp"

namespace epi::kernels::cuda {
namespace {

template <class T>
struct AddNormJob {
  const T* x;
  const T* residual;  ///< or null
  const float* gamma;
  const float* beta;
  T* out;
  T* sum;  ///< may be x
  float* mean;
  float* rstd;
  std::int64_t rows, hidden, rows_of_sample;
  DropoutSite dropout;
  float epsilon;
  int warps;
};

/// Eight elements of sum = residual + dropout(x), as they are stored.
template <bool kWhole, class T>
__device__ Eight<T> sum_of_eight(const Eight<T>& x, const Eight<T>& residual,
                                 const float (&factors)[kEight]) {
  float values[kEight], others[kEight];
  widen_eight(x, values);
  widen_eight(residual, others);
#pragma unroll
  for (int j = 0; j < kEight; ++j) values[j] = values[j] * factors[j] + others[j];
  return narrow_eight<T>(values);
}

template <bool kWhole, int kEights, class T>
__global__ void __launch_bounds__(kRowThreads) add_norm_kernel(AddNormJob<T> job) {
  const RowPlace at(job.hidden, job.warps);
  const std::int64_t n = std::int64_t{simt::block_x()} * at.teams + at.team;
  const bool active = n < job.rows;
  const std::int64_t start = active ? n * job.hidden : 0;
  const int hidden = active ? at.hidden : 0;
  Eight<T> x[kEights], residual[kEights];
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= hidden) continue;
    x[i] = load_eight<kWhole>(job.x + start, at.column(i), hidden);
    if (job.residual == nullptr) continue;
    residual[i] = load_eight<kWhole>(job.residual + start, at.column(i), hidden);
  }
  float row[kEights][kEight] = {};
  const std::int64_t sample = active ? n / job.rows_of_sample : 0;
  const std::int64_t first = (n - sample * job.rows_of_sample) * job.hidden;
  const DropoutDraws draws(job.dropout, sample);
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= hidden) continue;
    float factors[kEight] = {1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F, 1.0F};
    if (draws.drop()) draws.eight<kWhole>(first + at.column(i), factors);
    const Eight<T> sum = sum_of_eight<kWhole>(x[i], residual[i], factors);
    store_eight<kWhole>(job.sum + start, at.column(i), hidden, sum);
    // Statistics are those of the sum as memory holds it.
    widen_eight(sum, row[i]);
  }
  const float mean = mean_of(at, row);
  const float rstd = inverse_deviation(at, row, mean, job.epsilon);
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= hidden) continue;
    normalise_eight<kWhole>(at, i, job.gamma, job.beta, mean, rstd, row[i]);
    store_floats<kWhole>(job.out + start, at.column(i), hidden, row[i]);
  }
  if (active && at.first == 0) {
    job.mean[n] = mean;
    job.rstd[n] = rstd;
  }
}

template <class T>
struct AddNormGradJob {
  const T* sum;
  const T* dout;
  const float* mean;
  const float* rstd;
  const float* gamma;
  T* dresidual;
  T* dx;  ///< null without dropout
  float* partials;
  std::int64_t rows, hidden, rows_of_sample, rows_of_piece;
  DropoutSite dropout;
  int warps;
};

/// A block takes a piece of rows, its teams one row each at a time. Asked for one block a
/// multiprocessor, the compiler takes the registers that odd rows need instead of spilling.
template <bool kWhole, int kEights, class T>
__global__ void __launch_bounds__(kRowThreads, kWhole ? 0 : 1)
    add_norm_grad_kernel(AddNormGradJob<T> job) {
  const RowPlace at(job.hidden, job.warps);
  NormGradSums<kEights> sums;
  const std::int64_t begin = std::int64_t{simt::block_x()} * job.rows_of_piece;
  for (std::int64_t step = 0; step < job.rows_of_piece; step += at.teams) {
    const std::int64_t n = begin + step + at.team;
    const bool active = n < job.rows;
    const std::int64_t start = active ? n * job.hidden : 0;
    const int hidden = active ? at.hidden : 0;
    Eight<T> sum[kEights], dout[kEights];
#pragma unroll
    for (int i = 0; i < kEights; ++i) {
      if (at.column(i) >= hidden) continue;
      sum[i] = load_eight<kWhole>(job.sum + start, at.column(i), hidden);
      dout[i] = load_eight<kWhole>(job.dout + start, at.column(i), hidden);
    }
    const GradRow row = active ? GradRow{at.hidden, job.mean[n], job.rstd[n]} : GradRow{};
    const std::int64_t sample = active ? n / job.rows_of_sample : 0;
    const std::int64_t first = (n - sample * job.rows_of_sample) * job.hidden;
    const DropoutDraws draws(job.dropout, sample);
    norm_grad_row<kWhole>(
        at, job.gamma, row, sums,
        [&](int i, float(&of_sum)[kEight], float(&of_dout)[kEight]) {
          widen_eight(sum[i], of_sum);
          widen_eight(dout[i], of_dout);
        },
        [&](int i, float(&dsum)[kEight]) {
          store_floats<kWhole>(job.dresidual + start, at.column(i), hidden, dsum);
          if (!draws.drop()) return;
          float factors[kEight];
          draws.eight<kWhole>(first + at.column(i), factors);
#pragma unroll
          for (int j = 0; j < kEight; ++j) dsum[j] *= factors[j];
          store_floats<kWhole>(job.dx + start, at.column(i), hidden, dsum);
        });
  }
  write_partials<kWhole>(at, sums, job.partials, simt::block_x());
}

std::int64_t last(const ConstView& view) {
  return view.shape(view.rank() - 1);
}

template <class T>
void forward(const AddNormArgs& args, const Context& context) {
  const std::int64_t hidden = last(args.x);
  const std::int64_t rows = args.x.size() / hidden;
  const RowTeams teams = row_teams(hidden, kRowWarps);
  const AddNormJob<T> job{.x = args.x.as<T>(),
                          .residual = elements<T>(args.residual),
                          .gamma = args.gamma.as<float>(),
                          .beta = args.beta.as<float>(),
                          .out = args.out.as<T>(),
                          .sum = args.sum.as<T>(),
                          .mean = args.mean.as<float>(),
                          .rstd = args.rstd.as<float>(),
                          .rows = rows,
                          .hidden = hidden,
                          .rows_of_sample = rows / args.x.shape(0),
                          .dropout = dropout_site(args.dropout, args.state),
                          .epsilon = args.epsilon,
                          .warps = teams.warps};
  const bool whole =
      rows_are_whole(hidden, job.x, job.residual, job.gamma, job.beta, job.out, job.sum);
  const Launch launch = row_launch(teams, blocks_for(rows, teams.teams));
  with_flag(whole, [&](auto is_whole) {
    with_count(teams.eights, [&](auto eights) {
      simt::launch(add_norm_kernel<is_whole(), eights(), T>, launch, context.stream, job);
    });
  });
}

template <class T>
void gradient(const AddNormGradArgs& args, const Context& context) {
  const std::int64_t hidden = last(args.sum);
  const std::int64_t rows = args.sum.size() / hidden;
  const RowTeams teams = row_teams(hidden, kRowWarps);
  const RowPieces pieces = row_pieces(rows, teams);
  context.scratch.begin(Scratch::bytes<float>(pieces.count * 2 * hidden));
  auto* partials = context.scratch.take<float>(pieces.count * 2 * hidden);
  const AddNormGradJob<T> job{.sum = args.sum.as<T>(),
                              .dout = args.dout.as<T>(),
                              .mean = args.mean.as<float>(),
                              .rstd = args.rstd.as<float>(),
                              .gamma = args.gamma.as<float>(),
                              .dresidual = args.dresidual.as<T>(),
                              .dx = elements<T>(args.dx),
                              .partials = partials,
                              .rows = rows,
                              .hidden = hidden,
                              .rows_of_sample = rows / args.sum.shape(0),
                              .rows_of_piece = pieces.rows,
                              .dropout = dropout_site(args.dropout, args.state),
                              .warps = teams.warps};
  const bool whole = rows_are_whole(hidden, job.sum, job.dout, job.gamma, job.dresidual, job.dx);
  const Launch launch = row_launch(teams, pieces.count, 2 * hidden);
  with_flag(whole, [&](auto is_whole) {
    with_count(teams.eights, [&](auto eights) {
      simt::launch(add_norm_grad_kernel<is_whole(), eights(), T>, launch, context.stream, job);
    });
  });
  sum_pieces({.partials = partials,
              .pieces = pieces.count,
              .columns = hidden,
              .to = {args.dgamma.as<float>(), args.dbeta.as<float>()}},
             context.stream);
}

}  // namespace

void add_norm(const AddNormArgs& args, const Context& context) {
  with_activation(args.x.dtype(), [&](auto t) { forward<decltype(t)>(args, context); });
}

void add_norm_grad(const AddNormGradArgs& args, const Context& context) {
  with_activation(args.sum.dtype(), [&](auto t) { gradient<decltype(t)>(args, context); });
}

}  // namespace epi::kernels::cuda
