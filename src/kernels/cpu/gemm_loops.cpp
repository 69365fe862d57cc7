// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/gemm_loops.hpp"

#include "kernels/cpu/vec_activation.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

/// Calls body(from, to, offset of `to`, column, count) for each row in pieces of at most 16
/// elements.
template <class Body>
EPI_INLINE void each(const Product& product, const Body& body) {
  for (std::int64_t row = 0; row < product.rows; ++row) {
    const float* from = product.from + row * product.cols;
    const std::int64_t start = row * product.stride;
    std::int64_t col = 0;
    for (; col + kLanes <= product.cols; col += kLanes) {
      body(load(from + col), start + col, col, kLanes);
    }
    const std::int64_t rest = product.cols - col;
    if (rest > 0) body(load_some(from + col, rest), start + col, col, rest);
  }
}

// The epilogues proper. Each reads a finished panel once and writes its place once; the tests for
// null are loop-invariant and leave the loops.

void set(const Product& product, const float* bias) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t col, std::int64_t count) {
    if (bias != nullptr) value += load_some(bias + col, count);
    store_some(product.to + at, value, count);
  });
}

void add(const Product& product) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    store_some(product.to + at, load_some(product.to + at, count) + value, count);
  });
}

void set_gelu(const Product& product, const float* bias, float* pre) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t col, std::int64_t count) {
    if (bias != nullptr) value += load_some(bias + col, count);
    store_some(pre + at, value, count);
    store_some(product.to + at, GeluTanh::value(value), count);
  });
}

void set_gelu_grad(const Product& product, const float* pre) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    store_some(product.to + at, value * GeluTanh::slope(load_some(pre + at, count)), count);
  });
}

void add_gelu_grad(const Product& product, const float* pre) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    const Vec before = load_some(product.to + at, count);
    store_some(product.to + at, before + value * GeluTanh::slope(load_some(pre + at, count)),
               count);
  });
}

/// Adds up `Width` vectors of columns at once, the last of them `last_count` elements long: rows
/// are read along memory. Blocks of 256 rows keep the rounding error of long columns small.
template <std::uint32_t Width>
EPI_INLINE void sum_strip(const float* data, std::int64_t stride, std::int64_t rows,
                          std::int64_t last_count, float* sums) {
  constexpr std::int64_t kBlock = 256;
  Vec total[Width] = {};
  for (std::int64_t first = 0; first < rows; first += kBlock) {
    const std::int64_t last = first + kBlock < rows ? first + kBlock : rows;
    Vec block[Width] = {};
    for (std::int64_t row = first; row < last; ++row) {
      const float* own = data + row * stride;
      for (std::uint32_t i = 0; i + 1 < Width; ++i) block[i] += load(own + i * kLanes);
      block[Width - 1] += load_some(own + (Width - 1) * kLanes, last_count);
    }
    for (std::uint32_t i = 0; i < Width; ++i) total[i] += block[i];
  }
  for (std::uint32_t i = 0; i + 1 < Width; ++i) store(sums + i * kLanes, total[i]);
  store_some(sums + (Width - 1) * kLanes, total[Width - 1], last_count);
}

void column_sums(const float* data, std::int64_t stride, std::int64_t rows, std::int64_t cols,
                 float* sums) {
  constexpr std::uint32_t kWidth = 8;
  std::int64_t col = 0;
  for (; col + kWidth * kLanes <= cols; col += kWidth * kLanes) {
    sum_strip<kWidth>(data + col, stride, rows, kLanes, sums + col);
  }
  for (; col + kLanes <= cols; col += kLanes) {
    sum_strip<1>(data + col, stride, rows, kLanes, sums + col);
  }
  if (col < cols) sum_strip<1>(data + col, stride, rows, cols - col, sums + col);
}

}  // namespace

extern const GemmLoops gemm_loops{set, add, set_gelu, set_gelu_grad, add_gelu_grad, column_sums};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
