// Attention, one (sample, head, query) at a time, in double.
#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/reference.hpp"

namespace epi::reference {
namespace {

/// Sizes of a packed [B, T, 3H] tensor, and where its vectors begin.
struct Packed {
  std::int64_t batch, tokens, hidden, heads, size;  // size: D, elements of a head
  const std::int32_t* lengths;

  template <class Args>
  explicit Packed(const Args& args)
      : batch(args.qkv.shape(0)),
        tokens(args.qkv.shape(1)),
        hidden(args.qkv.shape(2) / 3),
        heads(args.heads),
        size(hidden / heads),
        lengths(args.lengths ? args.lengths.template as<std::int32_t>() : nullptr) {}

  [[nodiscard]] std::int64_t keys(std::int64_t b) const { return lengths ? lengths[b] : tokens; }
  /// part 0: query, 1: key, 2: value.
  [[nodiscard]] std::int64_t at(std::int64_t b, std::int64_t t, std::int64_t head, int part) const {
    return (b * tokens + t) * 3 * hidden + part * hidden + head * size;
  }
  [[nodiscard]] std::int64_t out(std::int64_t b, std::int64_t t, std::int64_t head) const {
    return (b * tokens + t) * hidden + head * size;
  }
};

double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void add_scaled(double* to, double scale, const double* from, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += scale * from[i];
}

std::vector<double> scores(const Packed& p, const double* qkv, std::int64_t b, std::int64_t head,
                           std::int64_t query) {
  std::vector<double> row(static_cast<std::size_t>(p.keys(b)));
  for (std::int64_t key = 0; key < p.keys(b); ++key) {
    row[static_cast<std::size_t>(key)] =
        dot(qkv + p.at(b, query, head, 0), qkv + p.at(b, key, head, 1), p.size) /
        std::sqrt(static_cast<double>(p.size));
  }
  return row;
}

void attend_query(const kernels::AttendArgs& args, const Packed& p, std::int64_t b,
                  std::int64_t head, std::int64_t query) {
  const auto* qkv = args.qkv.as<double>();
  const std::vector<double> row = scores(p, qkv, b, head, query);
  const double largest = *std::max_element(row.begin(), row.end());
  double sum = 0.0;
  for (const double score : row) sum += std::exp(score - largest);
  const double lse = largest + std::log(sum);
  args.lse.as<double>()[(b * p.heads + head) * p.tokens + query] = lse;
  double* out = args.out.as<double>() + p.out(b, query, head);
  std::fill_n(out, p.size, 0.0);
  for (std::int64_t key = 0; key < p.keys(b); ++key) {
    const double weight =
        std::exp(row[static_cast<std::size_t>(key)] - lse) *
        dropout_factor(args.dropout, args.state, b, (head * p.tokens + query) * p.tokens + key);
    add_scaled(out, weight, qkv + p.at(b, key, head, 2), p.size);
  }
}

void attend_query_grad(const kernels::AttendGradArgs& args, const Packed& p, std::int64_t b,
                       std::int64_t head, std::int64_t query) {
  const auto* qkv = args.qkv.as<double>();
  auto* dqkv = args.dqkv.as<double>();
  const double* dout = args.dout.as<double>() + p.out(b, query, head);
  const double lse = args.lse.as<double>()[(b * p.heads + head) * p.tokens + query];
  const std::vector<double> row = scores(p, qkv, b, head, query);
  std::vector<double> weights(row.size()), dweights(row.size());
  double mean = 0.0;
  for (std::size_t key = 0; key < row.size(); ++key) {
    const auto k = static_cast<std::int64_t>(key);
    const double factor =
        dropout_factor(args.dropout, args.state, b, (head * p.tokens + query) * p.tokens + k);
    weights[key] = std::exp(row[key] - lse);
    dweights[key] = factor * dot(dout, qkv + p.at(b, k, head, 2), p.size);
    mean += weights[key] * dweights[key];
    add_scaled(dqkv + p.at(b, k, head, 2), weights[key] * factor, dout, p.size);
  }
  for (std::size_t key = 0; key < row.size(); ++key) {
    const auto k = static_cast<std::int64_t>(key);
    const double dscore =
        weights[key] * (dweights[key] - mean) / std::sqrt(static_cast<double>(p.size));
    add_scaled(dqkv + p.at(b, query, head, 0), dscore, qkv + p.at(b, k, head, 1), p.size);
    add_scaled(dqkv + p.at(b, k, head, 1), dscore, qkv + p.at(b, query, head, 0), p.size);
  }
}

template <class Body>
void for_each_query(const Packed& p, const Body& body) {
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t head = 0; head < p.heads; ++head) {
      for (std::int64_t query = 0; query < p.tokens; ++query) body(b, head, query);
    }
  }
}

}  // namespace

void attend(const kernels::AttendArgs& args) {
  const Packed p(args);
  for_each_query(p, [&](std::int64_t b, std::int64_t head, std::int64_t query) {
    attend_query(args, p, b, head, query);
  });
}

void attend_grad(const kernels::AttendGradArgs& args) {
  const Packed p(args);
  std::fill_n(args.dqkv.as<double>(), args.dqkv.size(), 0.0);
  for_each_query(p, [&](std::int64_t b, std::int64_t head, std::int64_t query) {
    attend_query_grad(args, p, b, head, query);
  });
}

}  // namespace epi::reference
