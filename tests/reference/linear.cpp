// Matrix products with bias and epilogue, in double.
#include <vector>

#include "reference/expect_close.hpp"
#include "reference/reference.hpp"

namespace epi::reference {

void linear(const kernels::LinearArgs& args) {
  const std::int64_t rows = args.x.shape(0);
  const std::int64_t inner = args.x.shape(1);
  const std::int64_t columns = args.w.shape(0);
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = 0; n < columns; ++n) {
      double sum = args.b ? args.b.as<double>()[n] : 0.0;
      for (std::int64_t k = 0; k < inner; ++k) {
        sum += args.x.as<double>()[m * inner + k] * args.w.as<double>()[n * inner + k];
      }
      if (args.pre) args.pre.as<double>()[m * columns + n] = sum;
      args.y.as<double>()[m * columns + n] = activation(args.epilogue, sum);
    }
  }
}

void linear_grad_input(const kernels::LinearGradInputArgs& args) {
  const std::int64_t rows = args.dy.shape(0);
  const std::int64_t inner = args.dy.shape(1);
  const std::int64_t columns = args.w.shape(1);
  auto* dx = args.dx.as<double>();
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t k = 0; k < columns; ++k) {
      double sum = 0.0;
      for (std::int64_t n = 0; n < inner; ++n) {
        sum += args.dy.as<double>()[m * inner + n] * args.w.as<double>()[n * columns + k];
      }
      if (args.pre) {
        sum *= activation_slope(args.epilogue, args.pre.as<double>()[m * columns + k]);
      }
      const bool add = args.write == kernels::Write::add;
      dx[m * columns + k] = (add ? dx[m * columns + k] : 0.0) + sum;
    }
  }
}

void linear_grad_weight(const kernels::LinearGradWeightArgs& args) {
  const std::int64_t rows = args.dy.shape(0);
  const std::int64_t outputs = args.dy.shape(1);
  const std::int64_t inputs = args.x.shape(1);
  const bool add = args.write == kernels::Write::add;
  std::vector<double> x = as_doubles(args.x);
  for (double& value : x) value = activation(args.activation, value);
  for (std::int64_t n = 0; n < outputs; ++n) {
    double column = 0.0;
    for (std::int64_t m = 0; m < rows; ++m) column += args.dy.as<double>()[m * outputs + n];
    if (args.db) {
      double& db = args.db.as<double>()[n];
      db = (add ? db : 0.0) + column;
    }
    for (std::int64_t k = 0; k < inputs; ++k) {
      double sum = 0.0;
      for (std::int64_t m = 0; m < rows; ++m) {
        sum += args.dy.as<double>()[m * outputs + n] * x[static_cast<std::size_t>(m * inputs + k)];
      }
      double& dw = args.dw.as<double>()[n * inputs + k];
      dw = (add ? dw : 0.0) + sum;
    }
  }
}

}  // namespace epi::reference
