// Weighted gather and scatter of rows, in double.
#include <algorithm>

#include "reference/reference.hpp"

namespace epi::reference {

void gather_rows(const kernels::GatherRowsArgs& args) {
  const std::int64_t hidden = args.in.shape(1);
  for (std::int64_t m = 0; m < args.rows.size(); ++m) {
    const double weight = args.weights ? args.weights.as<double>()[m] : 1.0;
    const double* row = args.in.as<double>() + args.rows.as<std::int32_t>()[m] * hidden;
    for (std::int64_t h = 0; h < hidden; ++h) {
      args.out.as<double>()[m * hidden + h] = weight * row[h];
    }
  }
}

void scatter_rows(const kernels::ScatterRowsArgs& args) {
  const std::int64_t hidden = args.in.shape(1);
  auto* out = args.out.as<double>();
  if (args.write == kernels::Write::set) std::fill_n(out, args.out.size(), 0.0);
  for (std::int64_t m = 0; m < args.rows.size(); ++m) {
    const double weight = args.weights ? args.weights.as<double>()[m] : 1.0;
    double* row = out + args.rows.as<std::int32_t>()[m] * hidden;
    for (std::int64_t h = 0; h < hidden; ++h) {
      row[h] += weight * args.in.as<double>()[m * hidden + h];
    }
  }
}

}  // namespace epi::reference
