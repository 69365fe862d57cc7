// Compiled once per instruction set; see isa.hpp for what may be included.
//
// Everything is a transposition of 16 x 16 lanes of 32 bits, or an interleaving of two rows. A lane
// is one float or a pair of bfloat16 that are neighbours along k.
#include "kernels/cpu/pack_loops.hpp"

#include "kernels/cpu/vec_activation.hpp"
#include "kernels/cpu/vec_bf16.hpp"
#include "kernels/cpu/vec_transpose.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

constexpr std::int64_t kBlock = 64;  // columns of a column block
using Wide = std::uint16_t [[gnu::vector_size(64)]];

EPI_INLINE HVec halves(Vec value) {
  return narrow(value);
}
EPI_INLINE HVec halves(HVec value) {
  return value;
}

/// Sixteen elements as they are worth keeping: Vec of floats, HVec of bfloat16.
EPI_INLINE Vec raw_some(const float* from, std::int64_t count) {
  return load_some(from, count);
}
EPI_INLINE HVec raw_some(const Bf16* from, std::int64_t count) {
  if (count >= kLanes) return *reinterpret_cast<const AnyHVec*>(from);
  HVec value{};
  for (std::int64_t lane = 0; lane < count; ++lane) {
    value[lane] = static_cast<std::uint16_t>(from[lane]);
  }
  return value;
}

/// Sixteen elements of a row, transformed.
template <class Transform>
EPI_INLINE Vec values_some(const float* from, std::int64_t count) {
  return Transform::value(load_some(from, count));
}
template <class Transform>
EPI_INLINE HVec values_some(const Bf16* from, std::int64_t count) {
  if constexpr (__is_same(Transform, AsIs))
    return raw_some(from, count);
  else
    return narrow(Transform::value(load_some(from, count)));
}

template <class Transform>
void rows_into(const float* from, std::int64_t stride, std::int64_t k, std::int64_t cols,
               float* to) {
  const std::int64_t depth = (k + 15) / 16 * 16;
  std::int64_t i = 0;
  if (cols == kBlock) {
    for (; i < k; ++i) {
      for (std::int64_t j = 0; j < kBlock; j += kLanes) {
        store(to + i * kBlock + j, Transform::value(load(from + i * stride + j)));
      }
    }
  }
  for (; i < depth; ++i) {
    for (std::int64_t j = 0; j < kBlock; j += kLanes) {
      Vec value{};
      if (i < k && j < cols) {
        value = values_some<Transform>(from + i * stride + j, at_most(cols - j, kLanes));
      }
      store(to + i * kBlock + j, value);
    }
  }
}

/// All 64 columns of rows i and i + 1: no branches, so that the processor overlaps them.
template <class Transform, class From>
EPI_INLINE void whole_pair(const From* low, const From* high, float* to) {
  HVec first[kBlock / kLanes];
  HVec second[kBlock / kLanes];
  for (std::int64_t v = 0; v < kBlock / kLanes; ++v) {
    first[v] = halves(values_some<Transform>(low + v * kLanes, kLanes));
  }
  for (std::int64_t v = 0; v < kBlock / kLanes; ++v) {
    second[v] = halves(values_some<Transform>(high + v * kLanes, kLanes));
  }
  for (std::int64_t v = 0; v < kBlock / kLanes; ++v) {
    store(to + v * kLanes, interleave(first[v], second[v]));
  }
}

template <class Transform, class From>
void rows_into(const From* from, std::int64_t stride, std::int64_t k, std::int64_t cols, Bf16* to) {
  const std::int64_t depth = (k + 31) / 32 * 32;
  auto* pairs = reinterpret_cast<float*>(to);
  std::int64_t i = 0;
  if (cols == kBlock) {
    for (; i + 1 < k; i += 2) {
      whole_pair<Transform>(from + i * stride, from + (i + 1) * stride, pairs + i / 2 * kBlock);
    }
  }
  for (; i < depth; i += 2) {
    for (std::int64_t j = 0; j < kBlock; j += kLanes) {
      HVec low{};
      HVec high{};
      const std::int64_t count = at_most(cols - j, kLanes);
      const From* at = from + i * stride + j;
      if (i < k && count > 0) low = halves(values_some<Transform>(at, count));
      if (i + 1 < k && count > 0) high = halves(values_some<Transform>(at + stride, count));
      store(pairs + i / 2 * kBlock + j, interleave(low, high));
    }
  }
}

template <class Transform, class From, class To>
void rows(const From* from, std::int64_t stride, std::int64_t k, std::int64_t cols, To* to) {
  rows_into<Transform>(from, stride, k, cols, to);
}

/// Sixteen lanes along k: floats, or pairs of bfloat16.
EPI_INLINE Vec lanes_along(const float* from, std::int64_t count, float) {
  return load_some(from, count);
}
template <class From>
EPI_INLINE Vec lanes_along(const From* from, std::int64_t count, Bf16) {
  const HVec low = halves(raw_some(from, at_most(count, kLanes)));
  HVec high{};
  if (count > kLanes) high = halves(raw_some(from + kLanes, at_most(count - kLanes, kLanes)));
  const Wide both =
      __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                              17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
  return reinterpret_cast<Vec>(both);
}

/// Sixteen columns, of which `exist` exist. Inlined, so that 16 is a constant to the compiler and
/// everything stays in registers.
template <class From, class To>
EPI_INLINE void sixteen_columns(const From* from, std::int64_t stride, std::int64_t k,
                                std::int64_t exist, To* to) {
  constexpr std::int64_t kAlong = kLanes * static_cast<std::int64_t>(sizeof(float) / sizeof(To));
  auto* lanes = reinterpret_cast<float*>(to);
  for (std::int64_t i = 0; i < k; i += kAlong) {
    Vec a[kLanes] = {};
    const std::int64_t count = at_most(k - i, kAlong);
    for (std::int64_t lane = 0; lane < exist; ++lane) {
      const From* at = from + lane * stride + i;
      a[lane] = count == kAlong ? lanes_along(at, kAlong, To{}) : lanes_along(at, count, To{});
    }
    transpose_lanes(a);
    float* block = lanes + i / kAlong * kLanes * kBlock;
    for (std::int64_t lane = 0; lane < kLanes; ++lane) store(block + lane * kBlock, a[lane]);
  }
}

template <class From, class To>
void columns(const From* from, std::int64_t stride, std::int64_t k, std::int64_t cols, To* to) {
  constexpr auto kPerLane = static_cast<std::int64_t>(sizeof(float) / sizeof(To));
  for (std::int64_t j = 0; j < kBlock; j += kLanes) {
    const std::int64_t exist = at_most(cols - j, kLanes);
    To* block = to + j * kPerLane;
    if (exist == kLanes) {
      sixteen_columns(from + j * stride, stride, k, kLanes, block);
    } else {
      sixteen_columns(from + j * stride, stride, k, exist, block);
    }
  }
}

// --- left operands

/// Sixteen rows of lanes from row i, column j on: floats of one row, or pairs of two rows.
EPI_INLINE Vec row_lanes(const float* from, std::int64_t, std::int64_t rows, std::int64_t count) {
  return rows > 0 ? load_some(from, count) : Vec{};
}
EPI_INLINE Vec row_lanes(const Bf16* from, std::int64_t stride, std::int64_t rows,
                         std::int64_t count) {
  const HVec low = rows > 0 ? raw_some(from, count) : HVec{};
  const HVec high = rows > 1 ? raw_some(from + stride, count) : HVec{};
  return interleave(low, high);
}

EPI_INLINE Vec sum_of(Vec lanes, float) {
  return lanes;
}
EPI_INLINE Vec sum_of(Vec lanes, Bf16) {
  const UVec bits = reinterpret_cast<UVec>(lanes);
  return reinterpret_cast<Vec>(bits << 16) + reinterpret_cast<Vec>(bits & 0xffff0000U);
}

/// One block of rows from row i on, of at most 64 columns; adds its column sums to `partial`.
template <class T>
EPI_INLINE void transpose_rows(const T* from, std::int64_t stride, std::int64_t rows,
                               std::int64_t cols, T* to, std::int64_t ld, Vec* partial) {
  constexpr std::int64_t kPerLane = sizeof(float) / sizeof(T);
  for (std::int64_t j = 0; j < cols; j += kLanes) {
    const std::int64_t count = at_most(cols - j, kLanes);
    Vec a[kLanes];
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const std::int64_t row = lane * kPerLane;
      a[lane] = row_lanes(from + row * stride + j, stride, rows - row, count);
      partial[j / kLanes] += sum_of(a[lane], T{});
    }
    transpose_lanes(a);
    for (std::int64_t lane = 0; lane < count; ++lane) {
      store(reinterpret_cast<float*>(to + (j + lane) * ld), a[lane]);
    }
  }
}

// Rows run in the outer loop: all columns of a block of rows are read while their lines are near.
template <class T>
void transpose(const T* from, std::int64_t stride, std::int64_t rows, std::int64_t cols, T* to,
               std::int64_t ld, float* sums) {
  constexpr std::int64_t kAlong = kLanes * static_cast<std::int64_t>(sizeof(float) / sizeof(T));
  constexpr std::int64_t kSumBlock = 256;
  constexpr std::int64_t kVectors = kBlock / kLanes;
  for (std::int64_t col = 0; col < cols; col += kBlock) {
    const std::int64_t count = at_most(cols - col, kBlock);
    Vec total[kVectors] = {};
    for (std::int64_t first = 0; first < ld; first += kSumBlock) {
      Vec partial[kVectors] = {};
      const std::int64_t end = at_most(first + kSumBlock, ld);
      for (std::int64_t i = first; i < end; i += kAlong) {
        transpose_rows(from + i * stride + col, stride, rows - i, count, to + col * ld + i, ld,
                       partial);
      }
      for (std::int64_t v = 0; v < kVectors; ++v) total[v] += partial[v];
    }
    if (sums == nullptr) continue;
    for (std::int64_t j = 0; j < count; j += kLanes) {
      store_some(sums + col + j, total[j / kLanes], at_most(count - j, kLanes));
    }
  }
}

}  // namespace

extern const PackTable pack_table{
    .same = {rows<AsIs, float, float>, columns<float, float>, rows<Gelu, float, float>,
             rows<GeluTanh, float, float>},
    .narrowing = {rows<AsIs, float, Bf16>, columns<float, Bf16>, rows<Gelu, float, Bf16>,
                  rows<GeluTanh, float, Bf16>},
    .half = {rows<AsIs, Bf16, Bf16>, columns<Bf16, Bf16>, rows<Gelu, Bf16, Bf16>,
             rows<GeluTanh, Bf16, Bf16>},
    .transpose = transpose<float>,
    .transpose_half = transpose<Bf16>,
};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
