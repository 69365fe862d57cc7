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
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/indices.hpp"
#include "kernels/cpu/norm_grad.hpp"
#include "kernels/cpu/norm_loops.hpp"

namespace epi::kernels::cpu {
namespace {

constexpr std::int64_t kEntriesOfBlock = 64;
using Tables = std::array<EmbedTable, kMaxEmbedTables>;

void require_tables(const char* what, const Tables& tables) {
  for (const EmbedTable& table : tables) {
    if (table.rows && table.index) require_indices(what, table.index, table.rows.shape(0));
  }
}

/// The table rows of one token.
struct TokenRows {
  std::array<const float*, kMaxEmbedTables> rows{};
  std::int64_t count = 0;
};

TokenRows rows_of_token(const Tables& tables, std::int64_t n, std::int64_t tokens,
                        std::int64_t hidden) {
  TokenRows found;
  for (const EmbedTable& table : tables) {
    if (!table.rows) break;
    const std::int64_t row = table.index ? table.index.as<std::int32_t>()[n] : n % tokens;
    found.rows.at(static_cast<std::size_t>(found.count++)) = table.rows.as<float>() + row * hidden;
  }
  return found;
}

/// `sum` is room for one row.
template <class T>
void embed_row(const EmbedArgs& args, std::int64_t n, float* sum) {
  const std::int64_t tokens = args.out.shape(1);
  const std::int64_t hidden = args.out.shape(2);
  const TokenRows token = rows_of_token(args.tables, n, tokens, hidden);
  norm_loops_of<T>().embed({.rows = token.rows.data(),
                            .count = token.count,
                            .gamma = args.gamma.as<float>(),
                            .beta = args.beta.as<float>(),
                            .sum = sum,
                            .out = elements<T>(args.out) + n * hidden,
                            .mean = args.mean.as<float>() + n,
                            .rstd = args.rstd.as<float>() + n,
                            .hidden = hidden,
                            .epsilon = args.epsilon,
                            .key = dropout_key(args.dropout, args.state, n / tokens),
                            .first = n % tokens * hidden});
}

/// Gradient of the sum of token n into `dsum`; `sum` is room for one row.
template <class T>
void sum_grad_row(const EmbedGradArgs& args, std::int64_t n, const NormPartials& partials,
                  std::int64_t piece, float* sum, float* dsum) {
  const std::int64_t tokens = args.dout.shape(1);
  const std::int64_t hidden = args.dout.shape(2);
  const TokenRows token = rows_of_token(args.tables, n, tokens, hidden);
  norm_loops_of<T>().embed_gradient({.rows = token.rows.data(),
                                     .count = token.count,
                                     .mean = args.mean.as<float>() + n,
                                     .rstd = args.rstd.as<float>() + n,
                                     .gamma = args.gamma.as<float>(),
                                     .dout = elements<T>(args.dout) + n * hidden,
                                     .sum = sum,
                                     .dsum = dsum,
                                     .dgamma = partials.dgamma(piece),
                                     .dbeta = partials.dbeta(piece),
                                     .hidden = hidden,
                                     .key = dropout_key(args.dropout, args.state, n / tokens),
                                     .first = n % tokens * hidden});
}

/// Adds the rows of `dsum` of one block of sorted entries to their table rows; the run that began
/// before goes to `carried`.
void add_block(const SortedEntries& sorted, std::int64_t begin, std::int64_t end,
               std::int64_t hidden, const float* dsum, float* drows, float* carried) {
  const std::int32_t before = begin == 0 ? -1 : sorted.row[begin - 1];
  if (sorted.row[begin] == before) std::fill_n(carried, hidden, 0.0F);
  for (std::int64_t i = begin, next = begin; i < end; i = next) {
    while (next < end && sorted.row[next] == sorted.row[i]) ++next;
    norm_loops().f32.sum_entries(
        {.in = dsum,
         .entries = sorted.entry + i,
         .weights = nullptr,
         .out = sorted.row[i] == before ? carried : drows + sorted.row[i] * hidden,
         .count = next - i,
         .hidden = hidden,
         .adds = true});
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
    norm_loops().add(carried + block * hidden, hidden, drows + sorted.row[first] * hidden);
  }
}

std::int64_t most_rows(const Tables& tables) {
  std::int64_t most = 0;
  for (const EmbedTable& table : tables) {
    if (table.rows) most = std::max(most, table.rows.shape(0));
  }
  return most;
}

template <class T>
void forward(const EmbedArgs& args, Pool& pool) {
  const std::int64_t hidden = args.out.shape(2);
  const Cut cut = cut_rows(args.out.shape(0) * args.out.shape(1), hidden);
  Scratch scratch(pool, Scratch::bytes<float>(pool.threads() * hidden));
  auto* sums = scratch.take<float>(pool.threads() * hidden);
  pool.run(cut.count, [&](std::int64_t piece, int thread) {
    for (std::int64_t n = cut.begin(piece); n < cut.end(piece); ++n) {
      embed_row<T>(args, n, sums + thread * hidden);
    }
  });
}

template <class T>
void gradient(const EmbedGradArgs& args, Pool& pool) {
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
      sum_grad_row<T>(args, n, partials, piece, sums + thread * hidden, dsum + n * hidden);
    }
  });
  partials.merge(cut.count, args.dgamma.as<float>(), args.dbeta.as<float>(), pool);
  for (std::size_t i = 0; i < args.tables.size() && args.tables.at(i).rows; ++i) {
    const EmbedTable& table = args.tables.at(i);
    if (args.write.at(i) == Write::set) clear_rows(args.drows.at(i), pool);
    const auto* index = table.index ? table.index.as<std::int32_t>() : nullptr;
    sort_entries(index, count, tokens, table.rows.shape(0), counter, sorted);
    add_table(sorted, blocks, hidden, dsum, args.drows.at(i).as<float>(), carried, pool);
  }
}

}  // namespace

void embed(const EmbedArgs& args, Pool& pool) {
  require_tables("embed: index", args.tables);
  with_element(args.out.dtype(), [&](auto t) { forward<decltype(t)>(args, pool); });
}

void embed_grad(const EmbedGradArgs& args, Pool& pool) {
  require_tables("embed_grad: index", args.tables);
  with_element(args.dout.dtype(), [&](auto t) { gradient<decltype(t)>(args, pool); });
}

}  // namespace epi::kernels::cpu
