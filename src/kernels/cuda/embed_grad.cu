// The gradient of embed: LayerNorm and dropout backward once, which leaves the gradient of each
// token's sum in f32; then every table adds up the tokens of each of its rows. Where a table has an
// index, tokens are sorted by row on the device (table_sort.cu), and rows that many tokens share
// are summed by many blocks (row_sums.cuh). Positions add up the batch in order. Bound by memory.
#include "kernels/cuda/column_sums.hpp"
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/embed_tables.cuh"
#include "kernels/cuda/row_sums.cuh"
#include "kernels/cuda/scratch.hpp"

namespace epi::kernels::cuda {
namespace {

template <class T>
struct EmbedSumGradJob {
  EmbedTables tables;
  const float* gamma;
  const float* mean;
  const float* rstd;
  const T* dout;
  float* dsum;
  float* partials;
  std::int64_t rows, rows_of_piece;
  DropoutSite dropout;
  int warps;
};

/// What one thread holds of a token: the sum of its table rows, and dout through dropout.
template <int kEights>
struct EmbedToken {
  float sum[kEights][kEight] = {};
  float dout[kEights][kEight] = {};
};

template <bool kWhole, int kEights, class T>
__device__ void load_token(const EmbedSumGradJob<T>& job, const RowPlace& at, std::int64_t n,
                           EmbedToken<kEights>& token) {
  Eight<T> dout[kEights];
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= at.hidden) continue;
    dout[i] = load_eight<kWhole>(job.dout + n * job.tables.hidden, at.column(i), at.hidden);
  }
  sum_token_rows<kWhole>(at, job.tables, token_rows(job.tables, n), token.sum);
  const std::int64_t sample = n / job.tables.tokens;
  const std::int64_t first = (n - sample * job.tables.tokens) * job.tables.hidden;
  const DropoutDraws draws(job.dropout, sample);
#pragma unroll
  for (int i = 0; i < kEights; ++i) {
    if (at.column(i) >= at.hidden) continue;
    widen_eight(dout[i], token.dout[i]);
    if (!draws.drop()) continue;
    float factors[kEight];
    draws.eight<kWhole>(first + at.column(i), factors);
#pragma unroll
    for (int j = 0; j < kEight; ++j) token.dout[i][j] *= factors[j];
  }
}

/// A block takes a piece of rows, its teams one row each at a time.
template <bool kWhole, int kEights, class T>
__global__ void __launch_bounds__(kRowThreads) embed_sum_grad_kernel(EmbedSumGradJob<T> job) {
  const RowPlace at(job.tables.hidden, job.warps);
  NormGradSums<kEights> sums;
  const std::int64_t begin = std::int64_t{simt::block_x()} * job.rows_of_piece;
  for (std::int64_t step = 0; step < job.rows_of_piece; step += at.teams) {
    const std::int64_t n = begin + step + at.team;
    GradRow row;
    EmbedToken<kEights> token;
    if (n < job.rows) {
      row = {at.hidden, job.mean[n], job.rstd[n]};
      load_token<kWhole>(job, at, n, token);
    }
    norm_grad_row<kWhole>(
        at, job.gamma, row, sums,
        [&](int i, float(&sum)[kEight], float(&dout)[kEight]) {
#pragma unroll
          for (int j = 0; j < kEight; ++j) {
            sum[j] = token.sum[i][j];
            dout[j] = token.dout[i][j];
          }
        },
        [&](int i, float(&dsum)[kEight]) {
          store_floats<kWhole>(job.dsum + n * job.tables.hidden, at.column(i), at.hidden, dsum);
        });
  }
  write_partials<kWhole>(at, sums, job.partials, simt::block_x());
}

struct PositionGradJob {
  const float* dsum;  ///< [batch, tokens, hidden]
  float* out;         ///< [rows, hidden]
  std::int64_t batch, tokens, hidden;
  bool adds;
};

/// Grid: rows of the table, slabs of columns. Positions past the window have no entries.
template <bool kWhole>
__global__ void position_grad_kernel(PositionGradJob job) {
  const std::int64_t position = simt::block_x();
  const auto hidden = static_cast<int>(job.hidden);
  const int column = simt::block_y() * static_cast<int>(kColumnsOfSlab) + simt::thread() * kEight;
  if (column >= hidden) return;
  float* to = job.out + position * job.hidden;
  float total[kEight] = {};
  if (job.adds) load_floats<kWhole>(to, column, hidden, total);
  const std::int64_t batch = position < job.tokens ? job.batch : 0;
#pragma unroll 4
  for (std::int64_t b = 0; b < batch; ++b) {
    float values[kEight];
    load_floats<kWhole>(job.dsum + (b * job.tokens + position) * job.hidden, column, hidden,
                        values);
#pragma unroll
    for (int j = 0; j < kEight; ++j) total[j] += values[j];
  }
  store_floats<kWhole>(to, column, hidden, total);
}

/// What all steps of one call share.
struct EmbedGradPlan {
  std::int64_t batch, tokens, hidden, rows;
  RowTeams teams;
  RowPieces pieces;
  SortLists lists;                                   ///< of the tables with an index
  std::array<std::size_t, kMaxEmbedTables> table{};  ///< which one each list is of

  explicit EmbedGradPlan(const EmbedGradArgs& args)
      : batch(args.dout.shape(0)),
        tokens(args.dout.shape(1)),
        hidden(args.dout.shape(2)),
        rows(batch * tokens),
        teams(row_teams(hidden, kRowWarps)),
        pieces(row_pieces(rows, teams)) {
    lists.entries = rows;
    for (std::size_t t = 0; t < args.tables.size() && args.tables.at(t).rows; ++t) {
      if (!args.tables.at(t).index) continue;
      const auto list = static_cast<std::size_t>(lists.lists++);
      lists.index.at(list) = args.tables.at(t).index.as<std::int32_t>();
      lists.num_rows.at(list) = args.tables.at(t).rows.shape(0);
      table.at(list) = t;
    }
  }

  [[nodiscard]] std::int64_t partials() const { return pieces.count * 2 * hidden; }
  /// Of each list's sums.
  [[nodiscard]] std::int64_t list_partials() const { return sum_pieces_of(rows) * 2 * hidden; }
  [[nodiscard]] std::size_t scratch_bytes() const {
    return Scratch::bytes<float>(partials()) + Scratch::bytes<float>(rows * hidden) +
           sort_bytes(lists) +
           static_cast<std::size_t>(lists.lists) * Scratch::bytes<float>(list_partials());
  }
};

/// Gradients of all sums into `dsum`; dgamma and dbeta.
template <class T>
void sum_gradients(const EmbedGradArgs& args, const EmbedGradPlan& plan, float* dsum,
                   const Context& context) {
  auto* partials = context.scratch.take<float>(plan.partials());
  const EmbedSumGradJob<T> job{.tables = embed_tables(args.tables, plan.tokens, plan.hidden),
                               .gamma = args.gamma.as<float>(),
                               .mean = args.mean.as<float>(),
                               .rstd = args.rstd.as<float>(),
                               .dout = args.dout.as<T>(),
                               .dsum = dsum,
                               .partials = partials,
                               .rows = plan.rows,
                               .rows_of_piece = plan.pieces.rows,
                               .dropout = dropout_site(args.dropout, args.state),
                               .warps = plan.teams.warps};
  const bool whole =
      tables_are_whole(job.tables) && rows_are_whole(plan.hidden, job.gamma, job.dout);
  const Launch launch = row_launch(plan.teams, plan.pieces.count, 2 * plan.hidden);
  with_flag(whole, [&](auto is_whole) {
    with_count(plan.teams.eights, [&](auto eights) {
      simt::launch(embed_sum_grad_kernel<is_whole(), eights(), T>, launch, context.stream, job);
    });
  });
  sum_pieces({.partials = partials,
              .pieces = plan.pieces.count,
              .columns = plan.hidden,
              .to = {args.dgamma.as<float>(), args.dbeta.as<float>()}},
             context.stream);
}

/// Tables with an index, all at once.
void add_indexed(const EmbedGradArgs& args, const EmbedGradPlan& plan, const float* dsum,
                 const Context& context) {
  const auto sorted = sort_entries(plan.lists, context);
  RowSums<float> job{.lists = {},
                     .num_lists = plan.lists.lists,
                     .in = dsum,
                     .weights = nullptr,
                     .entries = plan.rows,
                     .hidden = plan.hidden};
  bool whole = plan.hidden % kEight == 0;
  for (std::size_t l = 0; l < static_cast<std::size_t>(plan.lists.lists); ++l) {
    const View& drows = args.drows.at(plan.table.at(l));
    const bool adds = args.write.at(plan.table.at(l)) == Write::add;
    if (!adds) core::device_backend::fill_zero(drows.raw(), drows.bytes(), context.stream);
    whole = whole && are_aligned(drows.raw());
    job.lists[l] = {.sorted = sorted.at(l),
                    .out = drows.as<float>(),
                    .adds = adds,
                    .partials = context.scratch.take<float>(plan.list_partials())};
  }
  with_flag(whole, [&](auto is_whole) { sum_rows<is_whole()>(job, context.stream); });
}

void add_positions(const EmbedGradPlan& plan, const View& drows, Write write, const float* dsum,
                   const Context& context) {
  const PositionGradJob job{.dsum = dsum,
                            .out = drows.as<float>(),
                            .batch = plan.batch,
                            .tokens = plan.tokens,
                            .hidden = plan.hidden,
                            .adds = write == Write::add};
  const Launch launch{.grid_x = static_cast<std::uint32_t>(drows.shape(0)),
                      .grid_y = blocks_for(plan.hidden, kColumnsOfSlab),
                      .threads = slab_threads(plan.hidden)};
  with_flag(rows_are_whole(plan.hidden, job.out), [&](auto is_whole) {
    simt::launch(position_grad_kernel<is_whole()>, launch, context.stream, job);
  });
}

}  // namespace

void embed_grad(const EmbedGradArgs& args, const Context& context) {
  const EmbedGradPlan plan(args);
  context.scratch.begin(plan.scratch_bytes());
  auto* dsum = context.scratch.take<float>(plan.rows * plan.hidden);
  with_activation(args.dout.dtype(),
                  [&](auto t) { sum_gradients<decltype(t)>(args, plan, dsum, context); });
  add_indexed(args, plan, dsum, context);
  for (std::size_t t = 0; t < args.tables.size() && args.tables.at(t).rows; ++t) {
    if (args.tables.at(t).index) continue;
    add_positions(plan, args.drows.at(t), args.write.at(t), dsum, context);
  }
}

}  // namespace epi::kernels::cuda
