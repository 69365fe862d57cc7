// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/gemm_loops.hpp"

#include "kernels/cpu/vec_activation.hpp"
#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_far.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

/// Calls body(from, to, offset of `to`, column, count) for each row in pieces of at most 16
/// elements.
template <class T, class Body>
EPI_INLINE void each(const Product<T>& product, const Body& body) {
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

template <class T>
void set(const Product<T>& product, const float* bias) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t col, std::int64_t count) {
    if (bias != nullptr) value += load_some(bias + col, count);
    store_some(product.to + at, value, count);
  });
}

void set_far(const Product<float>& product) {
  const auto address = reinterpret_cast<std::uintptr_t>(product.to);
  if (address % sizeof(Vec) != 0 || product.stride % kLanes != 0) return set(product, nullptr);
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    if (count < kLanes) return store_some(product.to + at, value, count);
    store_far(product.to + at, value);
  });
  fence_far_stores();
}

template <class T>
void add(const Product<T>& product) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    store_some(product.to + at, load_some(product.to + at, count) + value, count);
  });
}

/// The activation is that of `pre` as it is kept: forward and gradient see the same number.
template <class T>
void set_gelu(const Product<T>& product, const float* bias, T* pre) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t col, std::int64_t count) {
    if (bias != nullptr) value += load_some(bias + col, count);
    store_some(pre + at, value, count);
    store_some(product.to + at, GeluTanh::value(rounded(value, T{})), count);
  });
}

template <class T>
void set_gelu_grad(const Product<T>& product, const T* pre) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    store_some(product.to + at, value * GeluTanh::slope(load_some(pre + at, count)), count);
  });
}

template <class T>
void add_gelu_grad(const Product<T>& product, const T* pre) {
  each(product, [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) {
    const Vec before = load_some(product.to + at, count);
    store_some(product.to + at, before + value * GeluTanh::slope(load_some(pre + at, count)),
               count);
  });
}

/// Adds up `Width` vectors of columns at once, the last of them `last_count` elements long: rows
/// are read along memory. Blocks of 256 rows keep the rounding error of long columns small.
template <std::uint32_t Width, class T>
EPI_INLINE void sum_strip(const T* data, std::int64_t stride, std::int64_t rows,
                          std::int64_t last_count, float* sums) {
  constexpr std::int64_t kBlock = 256;
  Vec total[Width] = {};
  for (std::int64_t first = 0; first < rows; first += kBlock) {
    const std::int64_t last = first + kBlock < rows ? first + kBlock : rows;
    Vec block[Width] = {};
    for (std::int64_t row = first; row < last; ++row) {
      const T* own = data + row * stride;
      for (std::uint32_t i = 0; i + 1 < Width; ++i) block[i] += load(own + i * kLanes);
      block[Width - 1] += load_some(own + (Width - 1) * kLanes, last_count);
    }
    for (std::uint32_t i = 0; i < Width; ++i) total[i] += block[i];
  }
  for (std::uint32_t i = 0; i + 1 < Width; ++i) store(sums + i * kLanes, total[i]);
  store_some(sums + (Width - 1) * kLanes, total[Width - 1], last_count);
}

template <class T>
void column_sums(const T* data, std::int64_t stride, std::int64_t rows, std::int64_t cols,
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

extern const GemmLoops gemm_loops{
    .full = {set<float>, add<float>, set_gelu<float>, set_gelu_grad<float>, add_gelu_grad<float>,
             column_sums<float>},
    .half = {set<Bf16>, add<Bf16>, set_gelu<Bf16>, set_gelu_grad<Bf16>, add_gelu_grad<Bf16>,
             column_sums<Bf16>},
    .set_far = set_far,
};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
