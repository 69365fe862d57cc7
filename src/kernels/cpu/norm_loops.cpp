// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/norm_loops.hpp"

#include "kernels/cpu/vec_dropout.hpp"
#include "kernels/cpu/vec_span.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

constexpr std::int64_t kFactors = 64;  // what one batch of Philox blocks gives

void drop(const DropoutKey& key, std::int64_t first, std::int64_t hidden, const float* from,
          float* to) {
  float factors[kFactors];
  for (std::int64_t h = 0; h < hidden; h += kFactors) {
    const std::int64_t count = hidden - h < kFactors ? hidden - h : kFactors;
    dropout_factors(key, first + h, count, factors);
    walk(count, [&](std::int64_t i, std::int64_t lanes) EPI_STEP {
      const Vec value = load_some(from + h + i, lanes) * load_some(factors + i, lanes);
      store_some(to + h + i, value, lanes);
    });
  }
}

void sum_rows(const float* const* rows, std::int64_t count, std::int64_t hidden, float* to) {
  walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    Vec total = load_some(rows[0] + h, lanes);
    for (std::int64_t i = 1; i < count; ++i) total += load_some(rows[i] + h, lanes);
    store_some(to + h, total, lanes);
  });
}

void add_scaled(float scale, const float* from, std::int64_t hidden, float* to) {
  walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    store_some(to + h, load_some(to + h, lanes) + scale * load_some(from + h, lanes), lanes);
  });
}

void scaled(float scale, const float* from, std::int64_t hidden, float* to) {
  walk(hidden, [&](std::int64_t h, std::int64_t lanes)
                   EPI_STEP { store_some(to + h, scale * load_some(from + h, lanes), lanes); });
}

/// sum = x + residual; returns its mean.
float sum_and_mean(const float* x, const float* residual, float* to, std::int64_t hidden) {
  Vec total{};
  if (residual != nullptr) {
    walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
      const Vec value = load_some(x + h, lanes) + load_some(residual + h, lanes);
      store_some(to + h, value, lanes);
      total += value;
    });
  } else {
    walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
      const Vec value = load_some(x + h, lanes);
      store_some(to + h, value, lanes);
      total += value;
    });
  }
  return sum(total) / static_cast<float>(hidden);
}

/// 1 / sqrt(variance + epsilon); the second pass keeps digits where the mean is large.
float inverse_deviation(const float* row, float mean, float epsilon, std::int64_t hidden) {
  Vec squares{};
  walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
    const Vec offset = load_some(row + h, lanes, mean) - mean;
    squares += offset * offset;
  });
  return 1.0F / __builtin_sqrtf(sum(squares) / static_cast<float>(hidden) + epsilon);
}

void forward(const NormRows& job) {
  const std::int64_t hidden = job.hidden;
  for (std::int64_t n = 0; n < job.rows; ++n) {
    float* row = job.sum + n * hidden;
    const float* x = job.x + n * hidden;
    if (job.key.probability > 0.0F) {
      drop(job.key, job.first + n * hidden, hidden, x, row);
      x = row;
    }
    const float* residual = job.residual == nullptr ? nullptr : job.residual + n * hidden;
    const float mean = sum_and_mean(x, residual, row, hidden);
    const float rstd = inverse_deviation(row, mean, job.epsilon, hidden);
    float* out = job.out + n * hidden;
    walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
      const Vec normal = (load_some(row + h, lanes) - mean) * rstd;
      const Vec scale = load_some(job.gamma + h, lanes);
      store_some(out + h, normal * scale + load_some(job.beta + h, lanes), lanes);
    });
    job.mean[n] = mean;
    job.rstd[n] = rstd;
  }
}

/// Ba et al., arXiv 1607.06450, differentiated: with g = dout * gamma and the normalised row y,
/// dsum = rstd * (g - mean(g) - y * mean(g y)).
void gradient(const NormGradRows& job) {
  const std::int64_t hidden = job.hidden;
  const float share = 1.0F / static_cast<float>(hidden);
  for (std::int64_t n = 0; n < job.rows; ++n) {
    const float* row = job.sum + n * hidden;
    const float* dout = job.dout + n * hidden;
    float* dsum = job.dsum + n * hidden;
    const float mean = job.mean[n];
    const float rstd = job.rstd[n];
    Vec total{};
    Vec total_normal{};
    walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
      const Vec normal = (load_some(row + h, lanes, mean) - mean) * rstd;
      const Vec d = load_some(dout + h, lanes);
      const Vec g = d * load_some(job.gamma + h, lanes);
      total += g;
      total_normal += g * normal;
      store_some(job.dgamma + h, load_some(job.dgamma + h, lanes) + d * normal, lanes);
      store_some(job.dbeta + h, load_some(job.dbeta + h, lanes) + d, lanes);
    });
    const float mean_g = sum(total) * share;
    const float mean_gy = sum(total_normal) * share;
    walk(hidden, [&](std::int64_t h, std::int64_t lanes) EPI_STEP {
      const Vec normal = (load_some(row + h, lanes, mean) - mean) * rstd;
      const Vec g = load_some(dout + h, lanes) * load_some(job.gamma + h, lanes);
      store_some(dsum + h, rstd * (g - mean_g - normal * mean_gy), lanes);
    });
    if (job.dx != nullptr) {
      drop(job.key, job.first + n * hidden, hidden, dsum, job.dx + n * hidden);
    }
  }
}

}  // namespace

extern const NormLoops norm_loops{forward, gradient, sum_rows, drop, add_scaled, scaled};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
