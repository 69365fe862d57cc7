// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/norm_loops.hpp"

#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_dropout.hpp"
#include "kernels/cpu/vec_span.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

/// Rows whose gradients are taken together: dgamma and dbeta are then loaded once for all of them,
/// and sums have as many chains. More than the registers hold would spill.
#if defined(__AVX512F__)
constexpr std::int64_t kRowsAtOnce = 4;
#else
constexpr std::int64_t kRowsAtOnce = 1;
#endif

/// Stores `value` and returns what memory holds now.
template <class T>
EPI_INLINE Vec store_kept(T* to, Vec value, std::int64_t lanes) {
  store_some(to, value, lanes);
  return rounded(value, T{});
}

/// As `walk_chains`, with the dropout factors of elements `first` on: step(h, lanes, chain,
/// factors).
template <class Step>
EPI_INLINE void walk_dropped(const DropoutKey& key, std::int64_t first, std::int64_t hidden,
                             const Step& step) {
  constexpr std::int64_t kFactors = 64;  // what one batch of Philox blocks gives
  float factors[kFactors];
  for (std::int64_t h = 0; h < hidden; h += kFactors) {
    const std::int64_t count = hidden - h < kFactors ? hidden - h : kFactors;
    dropout_factors(key, first + h, count, factors);
    walk_chains(count, [&](std::int64_t i, std::int64_t lanes, std::int64_t chain)
                           EPI_STEP { step(h + i, lanes, chain, load_some(factors + i, lanes)); });
  }
}

template <class T>
void scaled(float scale, const T* from, std::int64_t hidden, T* to) {
  walk(hidden, [&](std::int64_t h, std::int64_t lanes)
                   EPI_STEP { store_some(to + h, scale * load_some(from + h, lanes), lanes); });
}

void add(const float* from, std::int64_t hidden, float* to) {
  walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    store_some(to + h, load_some(to + h, lanes) + load_some(from + h, lanes), lanes);
  });
}

/// `vectors` of a row of sums from column h on, in registers from the first entry to the last.
template <std::int64_t vectors, class T>
EPI_INLINE void sum_columns(const RowSum<T>& job, std::int64_t h, std::int64_t lanes) {
  Vec total[std::uint64_t{vectors}] = {};
  for (std::int64_t v = 0; v < vectors && job.adds; ++v) {
    total[v] = load_some(job.out + h + v * kLanes, lanes);
  }
  for (std::int64_t i = 0; i < job.count; ++i) {
    const std::int32_t row = job.entries[i];
    const float weight = job.weights == nullptr ? 1.0F : job.weights[row];
    const T* from = job.in + row * job.hidden + h;
    for (std::int64_t v = 0; v < vectors; ++v) {
      total[v] += weight * load_some(from + v * kLanes, lanes);
    }
  }
  for (std::int64_t v = 0; v < vectors; ++v) {
    store_some(job.out + h + v * kLanes, total[v], lanes);
  }
}

template <class T>
void sum_entries(const RowSum<T>& job) {
  constexpr std::int64_t kVectors = 8;
  std::int64_t h = 0;
  for (; h + kVectors * kLanes <= job.hidden; h += kVectors * kLanes) {
    sum_columns<kVectors>(job, h, kLanes);
  }
  for (; h + kLanes <= job.hidden; h += kLanes) sum_columns<1>(job, h, kLanes);
  if (h < job.hidden) sum_columns<1>(job, h, job.hidden - h);
}

/// 1 / sqrt(variance + epsilon); the second pass keeps digits where the mean is large.
template <class T>
float inverse_deviation(const T* row, float mean, float epsilon, std::int64_t hidden) {
  Vec squares[kChains] = {};
  walk_chains(hidden, [&](std::int64_t h, std::int64_t lanes, std::int64_t chain) EPI_STEP {
    const Vec offset = load_some(row + h, lanes, mean) - mean;
    squares[chain] += offset * offset;
  });
  return 1.0F / __builtin_sqrtf(sum_chains(squares) / static_cast<float>(hidden) + epsilon);
}

/// Row n of sum = residual + dropout(x); returns its mean.
template <class T>
float sum_and_mean(const NormRows<T>& job, std::int64_t n) {
  const std::int64_t at = n * job.hidden;
  const T* x = job.x + at;
  const T* residual = job.residual == nullptr ? nullptr : job.residual + at;
  T* to = job.sum + at;
  Vec total[kChains] = {};
  const auto keep = [&](std::int64_t h, std::int64_t lanes, std::int64_t chain, Vec value)
                        EPI_STEP { total[chain] += store_kept(to + h, value, lanes); };
  const auto add_residual =
      [&](std::int64_t h, std::int64_t lanes, std::int64_t chain, Vec value)
          EPI_STEP { keep(h, lanes, chain, value + load_some(residual + h, lanes)); };
  const auto dropped = [&](const auto& next) EPI_STEP {
    walk_dropped(job.key, job.first + at, job.hidden,
                 [&](std::int64_t h, std::int64_t lanes, std::int64_t chain, Vec factor)
                     EPI_STEP { next(h, lanes, chain, load_some(x + h, lanes) * factor); });
  };
  const auto plain = [&](const auto& next) EPI_STEP {
    walk_chains(job.hidden, [&](std::int64_t h, std::int64_t lanes, std::int64_t chain)
                                EPI_STEP { next(h, lanes, chain, load_some(x + h, lanes)); });
  };
  if (job.key.probability > 0.0F) {
    residual == nullptr ? dropped(keep) : dropped(add_residual);
  } else {
    residual == nullptr ? plain(keep) : plain(add_residual);
  }
  return sum_chains(total) / static_cast<float>(job.hidden);
}

template <class T>
void forward(const NormRows<T>& job) {
  const std::int64_t hidden = job.hidden;
  for (std::int64_t n = 0; n < job.rows; ++n) {
    const T* row = job.sum + n * hidden;
    const float mean = sum_and_mean(job, n);
    const float rstd = inverse_deviation(row, mean, job.epsilon, hidden);
    T* out = job.out + n * hidden;
    walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
      const Vec normal = (load_some(row + h, lanes) - mean) * rstd;
      const Vec scale = load_some(job.gamma + h, lanes);
      store_some(out + h, normal * scale + load_some(job.beta + h, lanes), lanes);
    });
    job.mean[n] = mean;
    job.rstd[n] = rstd;
  }
}

/// First pass of the gradient over `rows` rows from row n on: dgamma, dbeta, and for each row the
/// means of g and of g y (see `gradient`).
template <std::int64_t rows, class Sum, class Dout, class Dsum>
EPI_INLINE void gradient_sums(const NormGradRows<Sum, Dout, Dsum>& job, std::int64_t n,
                              float* mean_g, float* mean_gy) {
  Vec total[std::uint64_t{rows}] = {};
  Vec total_normal[std::uint64_t{rows}] = {};
  const std::int64_t hidden = job.hidden;
  walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    const Vec gamma = load_some(job.gamma + h, lanes);
    Vec dgamma = load_some(job.dgamma + h, lanes);
    Vec dbeta = load_some(job.dbeta + h, lanes);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float mean = job.mean[n + r];
      const Vec row = load_some(job.sum + (n + r) * hidden + h, lanes, mean);
      const Vec normal = (row - mean) * job.rstd[n + r];
      const Vec d = load_some(job.dout + (n + r) * hidden + h, lanes);
      const Vec g = d * gamma;
      total[r] += g;
      total_normal[r] += g * normal;
      dgamma += d * normal;
      dbeta += d;
    }
    store_some(job.dgamma + h, dgamma, lanes);
    store_some(job.dbeta + h, dbeta, lanes);
  });
  const float share = 1.0F / static_cast<float>(hidden);
  for (std::int64_t r = 0; r < rows; ++r) {
    mean_g[r] = sum(total[r]) * share;
    mean_gy[r] = sum(total_normal[r]) * share;
  }
}

/// Second pass, of row n: dsum, and dx with dropout.
template <class Sum, class Dout, class Dsum>
EPI_INLINE void gradient_row(const NormGradRows<Sum, Dout, Dsum>& job, std::int64_t n, float mean_g,
                             float mean_gy) {
  const std::int64_t at = n * job.hidden;
  const float mean = job.mean[n];
  const float rstd = job.rstd[n];
  const auto dsum = [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    // Four short rows at a time are too many streams for the hardware to follow: from memory this
    // takes a third less. Rows of floats gain nothing.
    if constexpr (sizeof(Sum) < sizeof(float)) {
      __builtin_prefetch(job.sum + at + kRowsAtOnce * job.hidden + h);
      __builtin_prefetch(job.dout + at + kRowsAtOnce * job.hidden + h);
    }
    const Vec normal = (load_some(job.sum + at + h, lanes, mean) - mean) * rstd;
    const Vec g = load_some(job.dout + at + h, lanes) * load_some(job.gamma + h, lanes);
    const Vec value = rstd * (g - mean_g - normal * mean_gy);
    store_some(job.dsum + at + h, value, lanes);
    return value;
  };
  if (job.dx == nullptr) {
    walk(job.hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP { dsum(h, lanes); });
  } else {
    walk_dropped(job.key, job.first + at, job.hidden,
                 [&](std::int64_t h, std::int64_t lanes, std::int64_t, Vec factor)
                     EPI_STEP { store_some(job.dx + at + h, dsum(h, lanes) * factor, lanes); });
  }
}

/// Ba et al., arXiv 1607.06450, differentiated: with g = dout * gamma and the normalised row y,
/// dsum = rstd * (g - mean(g) - y * mean(g y)).
template <class Sum, class Dout, class Dsum>
void gradient(const NormGradRows<Sum, Dout, Dsum>& job) {
  float mean_g[kRowsAtOnce];
  float mean_gy[kRowsAtOnce];
  std::int64_t n = 0;
  for (; n + kRowsAtOnce <= job.rows; n += kRowsAtOnce) {
    gradient_sums<kRowsAtOnce>(job, n, mean_g, mean_gy);
    for (std::int64_t r = 0; r < kRowsAtOnce; ++r) gradient_row(job, n + r, mean_g[r], mean_gy[r]);
  }
  for (; n < job.rows; ++n) {
    gradient_sums<1>(job, n, mean_g, mean_gy);
    gradient_row(job, n, mean_g[0], mean_gy[0]);
  }
}

/// to = the sum of `count` table rows; returns its mean.
template <std::int64_t count>
float sum_some_rows(const float* const* rows, std::int64_t hidden, float* to) {
  const float* row[std::uint64_t{count}];
  for (std::int64_t i = 0; i < count; ++i) row[i] = rows[i];
  Vec mean[kChains] = {};
  walk_chains(hidden, [&](std::int64_t h, std::int64_t lanes, std::int64_t chain) EPI_STEP {
    Vec total = load_some(row[0] + h, lanes);
    for (std::int64_t i = 1; i < count; ++i) total += load_some(row[i] + h, lanes);
    store_some(to + h, total, lanes);
    mean[chain] += total;
  });
  return sum_chains(mean) / static_cast<float>(hidden);
}

/// Likewise; count is 1..4 (kMaxEmbedTables).
float sum_rows(const float* const* rows, std::int64_t count, std::int64_t hidden, float* to) {
  switch (count) {
    case 1:
      return sum_some_rows<1>(rows, hidden, to);
    case 2:
      return sum_some_rows<2>(rows, hidden, to);
    case 3:
      return sum_some_rows<3>(rows, hidden, to);
    default:
      return sum_some_rows<4>(rows, hidden, to);
  }
}

template <class T>
void embed(const EmbedRow<T>& job) {
  const float mean = sum_rows(job.rows, job.count, job.hidden, job.sum);
  const float rstd = inverse_deviation(job.sum, mean, job.epsilon, job.hidden);
  const auto normal = [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    const Vec value = (load_some(job.sum + h, lanes) - mean) * rstd;
    return value * load_some(job.gamma + h, lanes) + load_some(job.beta + h, lanes);
  };
  if (job.key.probability > 0.0F) {
    walk_dropped(job.key, job.first, job.hidden,
                 [&](std::int64_t h, std::int64_t lanes, std::int64_t, Vec factor)
                     EPI_STEP { store_some(job.out + h, normal(h, lanes) * factor, lanes); });
  } else {
    walk(job.hidden, [&](std::int64_t h, std::int64_t lanes)
                         EPI_STEP { store_some(job.out + h, normal(h, lanes), lanes); });
  }
  *job.mean = mean;
  *job.rstd = rstd;
}

template <class Dout>
NormGradRows<float, Dout, float> norm_part(const auto& job, const Dout* dout) {
  return {.sum = job.sum,
          .mean = job.mean,
          .rstd = job.rstd,
          .gamma = job.gamma,
          .dout = dout,
          .dsum = job.dsum,
          .dx = nullptr,
          .dgamma = job.dgamma,
          .dbeta = job.dbeta,
          .rows = 1,
          .hidden = job.hidden,
          .key = {},
          .first = 0};
}

template <class T>
void embed_gradient(const EmbedGradRow<T>& job) {
  sum_rows(job.rows, job.count, job.hidden, job.sum);
  if (job.key.probability <= 0.0F) return gradient(norm_part(job, job.dout));
  walk_dropped(job.key, job.first, job.hidden,
               [&](std::int64_t h, std::int64_t lanes, std::int64_t, Vec factor) EPI_STEP {
                 store_some(job.dsum + h, load_some(job.dout + h, lanes) * factor, lanes);
               });
  gradient(norm_part<float>(job, job.dsum));
}

template <class T>
constexpr NormLoopsOf<T> loops_of{forward<T>,        gradient<T, T, T>, embed<T>,
                                  embed_gradient<T>, scaled<T>,         sum_entries<T>};

}  // namespace

extern const NormLoops norm_loops{loops_of<float>, loops_of<Bf16>, add};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
