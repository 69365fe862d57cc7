// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/gemm_loops.hpp"

#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

// gelu_tanh(x) = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3)   (arXiv 1606.08415)
constexpr float kScale = 0.7978845608F;
constexpr float kCube = 0.044715F;

/// (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)): one exponential, exact at both ends.
EPI_INLINE Vec gate(Vec x) {
  const Vec u2 = x * (x * x * (2.0F * kScale * kCube) + 2.0F * kScale);
  return 1.0F / (1.0F + exp(-u2));
}

EPI_INLINE Vec gelu_of(Vec x) {
  return x * gate(x);
}

/// d/dx = g + x g (1 - g) 2 u'(x)
EPI_INLINE Vec gelu_slope(Vec x) {
  const Vec g = gate(x);
  const Vec slope2 = x * x * (6.0F * kScale * kCube) + 2.0F * kScale;
  return g + x * g * (1.0F - g) * slope2;
}

void add_bias(Panel y, const float* bias, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t row = 0; row < rows; ++row) {
    float* out = y.data + row * y.stride;
    for (std::int64_t col = 0; col < cols; ++col) out[col] += bias[col];
  }
}

void gelu(Panel pre, Panel y, const float* bias, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t row = 0; row < rows; ++row) {
    float* before = pre.data + row * pre.stride;
    float* after = y.data + row * y.stride;
    for (std::int64_t col = 0; col < cols; col += kLanes) {
      const std::int64_t count = cols - col;
      Vec x = load_some(before + col, count);
      if (bias != nullptr) x += load_some(bias + col, count);
      store_some(before + col, x, count);
      store_some(after + col, gelu_of(x), count);
    }
  }
}

void gelu_grad(Panel dx, const float* pre, std::int64_t pre_stride, std::int64_t rows,
               std::int64_t cols) {
  for (std::int64_t row = 0; row < rows; ++row) {
    float* out = dx.data + row * dx.stride;
    const float* x = pre + row * pre_stride;
    for (std::int64_t col = 0; col < cols; col += kLanes) {
      const std::int64_t count = cols - col;
      const Vec slope = gelu_slope(load_some(x + col, count));
      store_some(out + col, load_some(out + col, count) * slope, count);
    }
  }
}

void column_sums(const float* data, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                 float* sums) {
  for (std::int64_t col = 0; col < cols; ++col) sums[col] = 0.0F;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* in = data + row * stride;
    for (std::int64_t col = 0; col < cols; ++col) sums[col] += in[col];
  }
}

void merge(float* to, const float* from, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

extern const GemmLoops gemm_loops{add_bias, gelu, gelu_grad, column_sums, merge};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
