// Compiled once per instruction set; see isa.hpp for what may be included.
#include "kernels/cpu/gemm_loops.hpp"

#include "kernels/cpu/vec_activation.hpp"
#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_far.hpp"
#include "kernels/cpu/vec_span.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

/// For each row in pieces of at most 16 elements: put(compute(product, offset of `to`, column,
/// count), offset, count). Four pieces are computed before they are put: the chains of an
/// activation then overlap (twice as fast as one by one).
template <class T, class Compute, class Put>
EPI_INLINE void each(const Product<T>& product, const Compute& compute, const Put& put) {
  constexpr std::int64_t kPieces = 4;
  for (std::int64_t row = 0; row < product.rows; ++row) {
    const float* from = product.from + row * product.cols;
    const std::int64_t start = row * product.stride;
    std::int64_t col = 0;
    for (; col + kPieces * kLanes <= product.cols; col += kPieces * kLanes) {
      Vec values[kPieces];
      for (std::int64_t i = 0; i < kPieces; ++i) {
        const std::int64_t at = col + i * kLanes;
        values[i] = compute(load(from + at), start + at, at, kLanes);
      }
      for (std::int64_t i = 0; i < kPieces; ++i) put(values[i], start + col + i * kLanes, kLanes);
    }
    for (; col < product.cols; col += kLanes) {
      const std::int64_t count = product.cols - col < kLanes ? product.cols - col : kLanes;
      put(compute(load_some(from + col, count), start + col, col, count), start + col, count);
    }
  }
}

template <class T>
EPI_INLINE void put_all(const Product<T>& product, Vec value, std::int64_t at, std::int64_t count) {
  store_some(product.to + at, value, count);
}

// The epilogues proper. Each reads a finished panel once and writes its place once; the tests for
// null are loop-invariant and leave the loops.

template <class T>
void set(const Product<T>& product, const float* bias) {
  each(
      product,
      [&](Vec value, std::int64_t, std::int64_t col, std::int64_t count)
          EPI_STEP { return bias == nullptr ? value : value + load_some(bias + col, count); },
      [&](Vec value, std::int64_t at, std::int64_t count)
          EPI_STEP { put_all(product, value, at, count); });
}

void set_far(const Product<float>& product) {
  if (!rows_on_lines(product.to, product.stride)) return set(product, nullptr);
  each(
      product, [&](Vec value, std::int64_t, std::int64_t, std::int64_t) EPI_STEP { return value; },
      [&](Vec value, std::int64_t at, std::int64_t count) EPI_STEP {
        if (count < kLanes) return store_some(product.to + at, value, count);
        store_far(product.to + at, value);
      });
  fence_far_stores();
}

template <class T>
void add(const Product<T>& product) {
  each(
      product,
      [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count)
          EPI_STEP { return load_some(product.to + at, count) + value; },
      [&](Vec value, std::int64_t at, std::int64_t count)
          EPI_STEP { put_all(product, value, at, count); });
}

// Where `pre` goes: past the caches, as only backward reads it, or the plain way.
struct Far {
  template <class T>
  EPI_INLINE void put(T* to, Vec value, std::int64_t count) {
    if (count < kLanes) return store_some(to, value, count);
    store_far(to, value);
  }
};
struct Near {
  template <class T>
  EPI_INLINE void put(T* to, Vec value, std::int64_t count) {
    store_some(to, value, count);
  }
};

/// The activation is that of `pre` as it is kept: forward and gradient see the same number.
template <class Where, class T>
EPI_INLINE void set_gelu_to(const Product<T>& product, const float* bias, T* pre) {
  each(
      product,
      [&](Vec value, std::int64_t at, std::int64_t col, std::int64_t count) EPI_STEP {
        if (bias != nullptr) value += load_some(bias + col, count);
        Where::put(pre + at, value, count);
        return GeluTanh::value(rounded(value, T{}));
      },
      [&](Vec value, std::int64_t at, std::int64_t count)
          EPI_STEP { put_all(product, value, at, count); });
}

template <class T>
void set_gelu(const Product<T>& product, const float* bias, T* pre) {
  if (!rows_on_lines(pre, product.stride)) return set_gelu_to<Near>(product, bias, pre);
  set_gelu_to<Far>(product, bias, pre);
  fence_far_stores();
}

template <class T>
void set_gelu_grad(const Product<T>& product, const T* pre) {
  each(
      product,
      [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count)
          EPI_STEP { return value * GeluTanh::slope(load_some(pre + at, count)); },
      [&](Vec value, std::int64_t at, std::int64_t count)
          EPI_STEP { put_all(product, value, at, count); });
}

template <class T>
void add_gelu_grad(const Product<T>& product, const T* pre) {
  each(
      product,
      [&](Vec value, std::int64_t at, std::int64_t, std::int64_t count) EPI_STEP {
        return load_some(product.to + at, count) +
               value * GeluTanh::slope(load_some(pre + at, count));
      },
      [&](Vec value, std::int64_t at, std::int64_t count)
          EPI_STEP { put_all(product, value, at, count); });
}

}  // namespace

extern const GemmLoops gemm_loops{
    .full = {set<float>, add<float>, set_gelu<float>, set_gelu_grad<float>, add_gelu_grad<float>},
    .half = {set<Bf16>, add<Bf16>, set_gelu<Bf16>, set_gelu_grad<Bf16>, add_gelu_grad<Bf16>},
    .set_far = set_far,
};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
