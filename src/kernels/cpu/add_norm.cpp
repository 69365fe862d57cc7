// LayerNorm(residual + dropout(x)) and its gradient, row by row. Bound by memory.
#include <algorithm>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/norm_grad.hpp"
#include "kernels/cpu/norm_loops.hpp"

namespace epi::kernels::cpu {
namespace {

/// Rows, their length, and how many of them share a sample.
struct Rows {
  std::int64_t hidden, count, per_sample;
  explicit Rows(const ConstView& view)
      : hidden(view.shape(view.rank() - 1)),
        count(view.size() / hidden),
        per_sample(count / view.shape(0)) {}
};

/// Calls body(begin, end, sample) for stretches of rows begin..end that lie in one sample, and for
/// all of them at once where samples don't matter.
template <class Body>
void for_samples(const Rows& rows, bool split, std::int64_t begin, std::int64_t end,
                 const Body& body) {
  if (!split) return body(begin, end, std::int64_t{0});
  while (begin < end) {
    const std::int64_t sample = begin / rows.per_sample;
    const std::int64_t stop = std::min(end, (sample + 1) * rows.per_sample);
    body(begin, stop, sample);
    begin = stop;
  }
}

template <class T>
void forward(const AddNormArgs& args, Pool& pool) {
  const Rows rows(args.x);
  const T* residual = elements<T>(args.residual);
  const bool drops = args.dropout.probability > 0.0F;
  const auto stretch = [&](std::int64_t begin, std::int64_t end, std::int64_t sample) {
    const std::int64_t at = begin * rows.hidden;
    norm_loops_of<T>().forward({.x = elements<T>(args.x) + at,
                                .residual = residual == nullptr ? nullptr : residual + at,
                                .gamma = args.gamma.as<float>(),
                                .beta = args.beta.as<float>(),
                                .sum = elements<T>(args.sum) + at,
                                .out = elements<T>(args.out) + at,
                                .mean = args.mean.as<float>() + begin,
                                .rstd = args.rstd.as<float>() + begin,
                                .rows = end - begin,
                                .hidden = rows.hidden,
                                .epsilon = args.epsilon,
                                .key = dropout_key(args.dropout, args.state, sample),
                                .first = (begin - sample * rows.per_sample) * rows.hidden});
  };
  for_pieces(pool, cut_rows(rows.count, rows.hidden), [&](std::int64_t begin, std::int64_t end) {
    for_samples(rows, drops, begin, end, stretch);
  });
}

template <class T>
void gradient(const AddNormGradArgs& args, Pool& pool) {
  const Rows rows(args.sum);
  const Cut cut = cut_norm_rows(rows.count);
  const std::int64_t partial_size = NormPartials::size(cut, rows.hidden);
  Scratch scratch(pool, Scratch::bytes<float>(partial_size));
  const NormPartials partials(scratch.take<float>(partial_size), rows.hidden);
  T* dx = elements<T>(args.dx);
  pool.run(cut.count, [&](std::int64_t piece, int) {
    partials.clear(piece);
    const auto stretch = [&](std::int64_t begin, std::int64_t end, std::int64_t sample) {
      const std::int64_t at = begin * rows.hidden;
      norm_loops_of<T>().gradient({.sum = elements<T>(args.sum) + at,
                                   .mean = args.mean.as<float>() + begin,
                                   .rstd = args.rstd.as<float>() + begin,
                                   .gamma = args.gamma.as<float>(),
                                   .dout = elements<T>(args.dout) + at,
                                   .dsum = elements<T>(args.dresidual) + at,
                                   .dx = dx == nullptr ? nullptr : dx + at,
                                   .dgamma = partials.dgamma(piece),
                                   .dbeta = partials.dbeta(piece),
                                   .rows = end - begin,
                                   .hidden = rows.hidden,
                                   .key = dropout_key(args.dropout, args.state, sample),
                                   .first = (begin - sample * rows.per_sample) * rows.hidden});
    };
    for_samples(rows, dx != nullptr, cut.begin(piece), cut.end(piece), stretch);
  });
  partials.merge(cut.count, args.dgamma.as<float>(), args.dbeta.as<float>(), pool);
}

}  // namespace

const NormLoops& norm_loops() {
  static const NormLoops& loops = pick(base::norm_loops, v3::norm_loops, v4::norm_loops);
  return loops;
}

void NormPartials::clear(std::int64_t piece) const {
  std::fill_n(dgamma(piece), 2 * hidden_, 0.0F);
}

// Tasks own columns, so that every sum runs over pieces in their order.
void NormPartials::merge(std::int64_t pieces, float* to_dgamma, float* to_dbeta, Pool& pool) const {
  constexpr std::int64_t kColumnsOfTask = 128;
  for_pieces(pool, {hidden_, kColumnsOfTask}, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t count = end - begin;
    std::copy_n(dgamma(0) + begin, count, to_dgamma + begin);
    std::copy_n(dbeta(0) + begin, count, to_dbeta + begin);
    for (std::int64_t piece = 1; piece < pieces; ++piece) {
      norm_loops().add(dgamma(piece) + begin, count, to_dgamma + begin);
      norm_loops().add(dbeta(piece) + begin, count, to_dbeta + begin);
    }
  });
}

void add_norm(const AddNormArgs& args, Pool& pool) {
  with_element(args.x.dtype(), [&](auto t) { forward<decltype(t)>(args, pool); });
}

void add_norm_grad(const AddNormGradArgs& args, Pool& pool) {
  with_element(args.sum.dtype(), [&](auto t) { gradient<decltype(t)>(args, pool); });
}

}  // namespace epi::kernels::cpu
