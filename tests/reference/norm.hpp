// LayerNorm of one row and its gradient, shared by the references of add_norm and embed.
#pragma once

#include <cstdint>

namespace epi::reference {

struct RowMoments {
  double mean;
  double rstd;  ///< 1 / sqrt(variance + epsilon), variance with divisor H
};

[[nodiscard]] RowMoments row_moments(const double* row, std::int64_t hidden, double epsilon);

/// Gradient of gamma * (row - mean) * rstd + beta: dgamma and dbeta are accumulated, drow is
/// written (Ba et al., arXiv 1607.06450, differentiated).
void norm_row_grad(const double* row, RowMoments moments, const double* gamma, const double* dout,
                   std::int64_t hidden, double* dgamma, double* dbeta, double* drow);

}  // namespace epi::reference
