// Sum of table rows + LayerNorm + dropout, in double.
#include <algorithm>
#include <vector>

#include "reference/norm.hpp"
#include "reference/reference.hpp"

namespace epi::reference {
namespace {

std::int64_t row_of(const kernels::EmbedTable& table, std::int64_t n, std::int64_t tokens) {
  return table.index ? table.index.as<std::int32_t>()[n] : n % tokens;
}

std::vector<double> sum_of_rows(
    const std::array<kernels::EmbedTable, kernels::kMaxEmbedTables>& tables, std::int64_t n,
    std::int64_t tokens, std::int64_t hidden) {
  std::vector<double> sum(static_cast<std::size_t>(hidden), 0.0);
  for (const kernels::EmbedTable& table : tables) {
    if (!table.rows) break;
    const double* row = table.rows.as<double>() + row_of(table, n, tokens) * hidden;
    for (std::int64_t h = 0; h < hidden; ++h) sum[static_cast<std::size_t>(h)] += row[h];
  }
  return sum;
}

}  // namespace

void embed(const kernels::EmbedArgs& args) {
  const std::int64_t tokens = args.out.shape(1);
  const std::int64_t hidden = args.out.shape(2);
  for (std::int64_t n = 0; n < args.out.shape(0) * tokens; ++n) {
    const std::vector<double> sum = sum_of_rows(args.tables, n, tokens, hidden);
    const RowMoments moments = row_moments(sum.data(), hidden, double{args.epsilon});
    args.mean.as<double>()[n] = moments.mean;
    args.rstd.as<double>()[n] = moments.rstd;
    for (std::int64_t h = 0; h < hidden; ++h) {
      const double normal = (sum[static_cast<std::size_t>(h)] - moments.mean) * moments.rstd;
      args.out.as<double>()[n * hidden + h] =
          (args.gamma.as<double>()[h] * normal + args.beta.as<double>()[h]) *
          dropout_factor(args.dropout, args.state, n / tokens, n % tokens * hidden + h);
    }
  }
}

void embed_grad(const kernels::EmbedGradArgs& args) {
  const std::int64_t tokens = args.dout.shape(1);
  const std::int64_t hidden = args.dout.shape(2);
  std::fill_n(args.dgamma.as<double>(), hidden, 0.0);
  std::fill_n(args.dbeta.as<double>(), hidden, 0.0);
  for (std::size_t t = 0; t < args.tables.size() && args.tables.at(t).rows; ++t) {
    const core::View& drows = args.drows.at(t);
    if (args.write.at(t) == kernels::Write::set) {
      std::fill_n(drows.as<double>(), drows.size(), 0.0);
    }
  }
  std::vector<double> dnormed(static_cast<std::size_t>(hidden));
  std::vector<double> dsum(static_cast<std::size_t>(hidden));
  for (std::int64_t n = 0; n < args.dout.shape(0) * tokens; ++n) {
    for (std::int64_t h = 0; h < hidden; ++h) {
      dnormed[static_cast<std::size_t>(h)] =
          args.dout.as<double>()[n * hidden + h] *
          dropout_factor(args.dropout, args.state, n / tokens, n % tokens * hidden + h);
    }
    const std::vector<double> sum = sum_of_rows(args.tables, n, tokens, hidden);
    norm_row_grad(sum.data(), {args.mean.as<double>()[n], args.rstd.as<double>()[n]},
                  args.gamma.as<double>(), dnormed.data(), hidden, args.dgamma.as<double>(),
                  args.dbeta.as<double>(), dsum.data());
    for (std::size_t t = 0; t < args.tables.size() && args.tables.at(t).rows; ++t) {
      double* drow = args.drows.at(t).as<double>() + row_of(args.tables.at(t), n, tokens) * hidden;
      for (std::int64_t h = 0; h < hidden; ++h) drow[h] += dsum[static_cast<std::size_t>(h)];
    }
  }
}

}  // namespace epi::reference
