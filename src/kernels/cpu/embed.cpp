// Sum of up to four table rows + LayerNorm + dropout, and its gradient.
//
// The gradient of the tables: the gradient of each sum goes to scratch, then each table's entries
// are sorted by table row (stable, counting) and the sorted list is cut into blocks of fixed
// length. A block adds up the runs that begin in it; a run that continues from the block before is
// summed apart and added afterwards in the order of blocks. So the work is balanced even if one row
// takes most of the entries (a quiescent state does), and the order of every sum depends on the
// data alone.
#include "kernels/cpu/embed_sort.hpp"

#include <algorithm>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/indices.hpp"
#include "kernels/cpu/norm_grad.hpp"
#include "kernels/cpu/norm_loops.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kRowsOfTask = 32;
constexpr std::int64_t kEntriesOfBlock = 64;
using Tables = std::array<EmbedTable, kMaxEmbedTables>;

void require_tables(const char* what, const Tables& tables) {
  for (const EmbedTable& table : tables) {
    if (table.rows && table.index) require_indices(what, table.index, table.rows.shape(0));
  }
}

/// to = the sum of the table rows of token n.
void sum_of_tables(const Tables& tables, std::int64_t n, std::int64_t tokens, std::int64_t hidden,
                   float* to) {
  std::array<const float*, kMaxEmbedTables> rows{};
  std::size_t count = 0;
  for (const EmbedTable& table : tables) {
    if (!table.rows) break;
    const std::int64_t row = table.index ? table.index.as<std::int32_t>()[n] : n % tokens;
    rows.at(count++) = table.rows.as<float>() + row * hidden;
  }
  norm_loops().sum_rows(rows.data(), static_cast<std::int64_t>(count), hidden, to);
}

void embed_row(const EmbedArgs& args, std::int64_t n) {
  const std::int64_t tokens = args.out.shape(1);
  const std::int64_t hidden = args.out.shape(2);
  float* out = args.out.as<float>() + n * hidden;
  sum_of_tables(args.tables, n, tokens, hidden, out);
  norm_loops().forward({.x = out,
                        .residual = nullptr,
                        .gamma = args.gamma.as<float>(),
                        .beta = args.beta.as<float>(),
                        .sum = out,
                        .out = out,
                        .mean = args.mean.as<float>() + n,
                        .rstd = args.rstd.as<float>() + n,
                        .rows = 1,
                        .hidden = hidden,
                        .epsilon = args.epsilon,
                        .key = {},
                        .first = 0});
  if (args.dropout.probability <= 0.0F) return;
  const DropoutKey key = dropout_key(args.dropout, args.state, n / tokens);
  norm_loops().drop(key, n % tokens * hidden, hidden, out, out);
}

/// Gradient of the sum of token n into `dsum`; `sum` is room for one row.
void sum_grad_row(const EmbedGradArgs& args, std::int64_t n, const NormPartials& partials,
                  std::int64_t piece, float* sum, float* dsum) {
  const std::int64_t tokens = args.dout.shape(1);
  const std::int64_t hidden = args.dout.shape(2);
  const float* dout = args.dout.as<float>() + n * hidden;
  sum_of_tables(args.tables, n, tokens, hidden, sum);
  if (args.dropout.probability > 0.0F) {
    const DropoutKey key = dropout_key(args.dropout, args.state, n / tokens);
    norm_loops().drop(key, n % tokens * hidden, hidden, dout, dsum);
    dout = dsum;
  }
  norm_loops().gradient({.sum = sum,
                         .mean = args.mean.as<float>() + n,
                         .rstd = args.rstd.as<float>() + n,
                         .gamma = args.gamma.as<float>(),
                         .dout = dout,
                         .dsum = dsum,
                         .dx = nullptr,
                         .dgamma = partials.dgamma(piece),
                         .dbeta = partials.dbeta(piece),
                         .rows = 1,
                         .hidden = hidden,
                         .key = {},
                         .first = 0});
}

/// Adds the rows of `dsum` of one block of sorted entries to their table rows; the run that began
/// before goes to `carried`.
void add_block(const SortedEntries& sorted, std::int64_t begin, std::int64_t end,
               std::int64_t hidden, const float* dsum, float* drows, float* carried) {
  const std::int32_t before = begin == 0 ? -1 : sorted.row[begin - 1];
  if (sorted.row[begin] == before) std::fill_n(carried, hidden, 0.0F);
  for (std::int64_t i = begin; i < end; ++i) {
    float* to = sorted.row[i] == before ? carried : drows + sorted.row[i] * hidden;
    norm_loops().add_scaled(1.0F, dsum + sorted.entry[i] * hidden, hidden, to);
  }
}

void clear_rows(const View& rows, Pool& pool) {
  constexpr std::int64_t kFloatsOfTask = 64 * 1024;
  auto* data = rows.as<float>();
  for_pieces(pool, {rows.size(), kFloatsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    std::fill(data + begin, data + end, 0.0F);
  });
}

/// One table's gradient from the gradients of all sums. `carried` is room for one row per block.
void add_table(const SortedEntries& sorted, const Cut& blocks, std::int64_t hidden,
               const float* dsum, float* drows, float* carried, Pool& pool) {
  pool.run(blocks.count, [&](std::int64_t block, int) {
    add_block(sorted, blocks.begin(block), blocks.end(block), hidden, dsum, drows,
              carried + block * hidden);
  });
  for (std::int64_t block = 1; block < blocks.count; ++block) {
    const std::int64_t first = blocks.begin(block);
    if (sorted.row[first] != sorted.row[first - 1]) continue;
    norm_loops().add_scaled(1.0F, carried + block * hidden, hidden,
                            drows + sorted.row[first] * hidden);
  }
}

std::int64_t most_rows(const Tables& tables) {
  std::int64_t most = 0;
  for (const EmbedTable& table : tables) {
    if (table.rows) most = std::max(most, table.rows.shape(0));
  }
  return most;
}

}  // namespace

void embed(const EmbedArgs& args, Pool& pool) {
  require_tables("embed: index", args.tables);
  const Cut cut{args.out.shape(0) * args.out.shape(1), kRowsOfTask};
  for_pieces(pool, cut, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t n = begin; n < end; ++n) embed_row(args, n);
  });
}

void embed_grad(const EmbedGradArgs& args, Pool& pool) {
  require_tables("embed_grad: index", args.tables);
  const std::int64_t tokens = args.dout.shape(1);
  const std::int64_t hidden = args.dout.shape(2);
  const std::int64_t count = args.dout.shape(0) * tokens;
  const Cut cut = cut_norm_rows(count);
  const Cut blocks{count, kEntriesOfBlock};
  const std::int64_t counters = most_rows(args.tables) + 1;
  const std::int64_t partial_size = NormPartials::size(cut, hidden);
  Scratch scratch(
      pool, Scratch::bytes<float>(partial_size) + Scratch::bytes<float>(pool.threads() * hidden) +
                Scratch::bytes<float>(count * hidden) +
                Scratch::bytes<float>(blocks.count * hidden) +
                2 * Scratch::bytes<std::int32_t>(count) + Scratch::bytes<std::int64_t>(counters));
  const NormPartials partials(scratch.take<float>(partial_size), hidden);
  auto* sums = scratch.take<float>(pool.threads() * hidden);
  auto* dsum = scratch.take<float>(count * hidden);
  auto* carried = scratch.take<float>(blocks.count * hidden);
  const SortedEntries sorted{scratch.take<std::int32_t>(count), scratch.take<std::int32_t>(count)};
  auto* counter = scratch.take<std::int64_t>(counters);

  pool.run(cut.count, [&](std::int64_t piece, int thread) {
    partials.clear(piece);
    for (std::int64_t n = cut.begin(piece); n < cut.end(piece); ++n) {
      sum_grad_row(args, n, partials, piece, sums + thread * hidden, dsum + n * hidden);
    }
  });
  partials.merge(cut.count, args.dgamma.as<float>(), args.dbeta.as<float>());
  for (std::size_t i = 0; i < args.tables.size() && args.tables.at(i).rows; ++i) {
    const EmbedTable& table = args.tables.at(i);
    if (args.write.at(i) == Write::set) clear_rows(args.drows.at(i), pool);
    const auto* index = table.index ? table.index.as<std::int32_t>() : nullptr;
    sort_entries(index, count, tokens, table.rows.shape(0), counter, sorted);
    add_table(sorted, blocks, hidden, dsum, args.drows.at(i).as<float>(), carried, pool);
  }
}

}  // namespace epi::kernels::cpu
