// LayerNorm with residual and dropout, in double.
#include "reference/norm.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/philox.hpp"
#include "reference/reference.hpp"

namespace epi::reference {

double dropout_factor(const kernels::Dropout& dropout, const kernels::StepState* state,
                      std::int64_t sample, std::int64_t element) {
  if (dropout.probability <= 0.0F) return 1.0;
  const std::uint64_t slot = state->first_slot + static_cast<std::uint64_t>(sample);
  const auto low = static_cast<std::uint32_t>(slot);
  const auto high = static_cast<std::uint32_t>(slot >> 32U);
  const core::PhiloxBlock words = core::philox(
      state->seed, core::RandomUse::dropout,
      {low, high ^ (dropout.site << 16U), dropout.layer, static_cast<std::uint32_t>(element / 4)});
  const std::uint32_t word = words.at(static_cast<std::size_t>(element % 4));
  if (core::uniform_float(word) < dropout.probability) return 0.0;
  return 1.0 / (1.0 - static_cast<double>(dropout.probability));
}

RowMoments row_moments(const double* row, std::int64_t hidden, double epsilon) {
  double sum = 0.0;
  for (std::int64_t h = 0; h < hidden; ++h) sum += row[h];
  const double mean = sum / static_cast<double>(hidden);
  double squares = 0.0;
  for (std::int64_t h = 0; h < hidden; ++h) squares += (row[h] - mean) * (row[h] - mean);
  return {mean, 1.0 / std::sqrt(squares / static_cast<double>(hidden) + epsilon)};
}

void norm_row_grad(const double* row, RowMoments moments, const double* gamma, const double* dout,
                   std::int64_t hidden, double* dgamma, double* dbeta, double* drow) {
  double mean_g = 0.0;   // of the gradient of the normalised row
  double mean_gx = 0.0;  // of that gradient times the normalised row
  for (std::int64_t h = 0; h < hidden; ++h) {
    const double normal = (row[h] - moments.mean) * moments.rstd;
    dgamma[h] += dout[h] * normal;
    dbeta[h] += dout[h];
    mean_g += dout[h] * gamma[h] / static_cast<double>(hidden);
    mean_gx += dout[h] * gamma[h] * normal / static_cast<double>(hidden);
  }
  for (std::int64_t h = 0; h < hidden; ++h) {
    const double normal = (row[h] - moments.mean) * moments.rstd;
    drow[h] = moments.rstd * (dout[h] * gamma[h] - mean_g - normal * mean_gx);
  }
}

void add_norm(const kernels::AddNormArgs& args) {
  const std::int64_t hidden = args.x.shape(args.x.rank() - 1);
  const std::int64_t rows = args.x.size() / hidden;
  const std::int64_t sample_size = args.x.size() / args.x.shape(0);
  const auto* x = args.x.as<double>();
  auto* sum = args.sum.as<double>();
  for (std::int64_t i = 0; i < rows * hidden; ++i) {
    const double kept =
        x[i] * dropout_factor(args.dropout, args.state, i / sample_size, i % sample_size);
    sum[i] = kept + (args.residual ? args.residual.as<double>()[i] : 0.0);
  }
  for (std::int64_t n = 0; n < rows; ++n) {
    const RowMoments moments = row_moments(sum + n * hidden, hidden, double{args.epsilon});
    args.mean.as<double>()[n] = moments.mean;
    args.rstd.as<double>()[n] = moments.rstd;
    for (std::int64_t h = 0; h < hidden; ++h) {
      args.out.as<double>()[n * hidden + h] =
          args.gamma.as<double>()[h] * (sum[n * hidden + h] - moments.mean) * moments.rstd +
          args.beta.as<double>()[h];
    }
  }
}

void add_norm_grad(const kernels::AddNormGradArgs& args) {
  const std::int64_t hidden = args.sum.shape(args.sum.rank() - 1);
  const std::int64_t rows = args.sum.size() / hidden;
  const std::int64_t sample_size = args.sum.size() / args.sum.shape(0);
  auto* dgamma = args.dgamma.as<double>();
  auto* dbeta = args.dbeta.as<double>();
  std::fill_n(dgamma, hidden, 0.0);
  std::fill_n(dbeta, hidden, 0.0);
  auto* dresidual = args.dresidual.as<double>();
  for (std::int64_t n = 0; n < rows; ++n) {
    norm_row_grad(args.sum.as<double>() + n * hidden,
                  {args.mean.as<double>()[n], args.rstd.as<double>()[n]}, args.gamma.as<double>(),
                  args.dout.as<double>() + n * hidden, hidden, dgamma, dbeta,
                  dresidual + n * hidden);
  }
  if (!args.dx) return;
  for (std::int64_t i = 0; i < rows * hidden; ++i) {
    args.dx.as<double>()[i] =
        dresidual[i] * dropout_factor(args.dropout, args.state, i / sample_size, i % sample_size);
  }
}

}  // namespace epi::reference
