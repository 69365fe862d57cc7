// Matrix instructions of a warp on the host, in the fragments of the PTX manual (sections on
// ldmatrix and on mma.m16n8k16). The last lane to come does the work of all 32.
#include <cstring>

#include "core/bf16.hpp"
#include "simt/machine.hpp"

namespace epi::kernels::simt::twin {
namespace {

constexpr std::size_t kLanes = 32;
constexpr std::size_t kM = 16, kN = 8, kK = 16;

struct LoadCall {
  std::uint32_t* r;
  const std::byte* row;
};
struct MultiplyCall {
  float* d;
  const std::uint32_t* a;
  std::uint32_t b0, b1;
};

template <class T>
const T& call_of(const std::uint64_t* words, std::size_t lane) {
  return *reinterpret_cast<const T*>(words[lane]);
}

std::uint32_t element(const LoadCall& row, std::size_t column) {
  std::uint16_t bits;
  std::memcpy(&bits, row.row + 2 * column, sizeof bits);
  return bits;
}

void load_all(const std::uint64_t* words) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    for (std::size_t m = 0; m < 4; ++m) {
      const LoadCall& row = call_of<LoadCall>(words, 8 * m + lane / 4);
      const std::size_t column = 2 * (lane % 4);
      call_of<LoadCall>(words, lane).r[m] = element(row, column) | element(row, column + 1) << 16U;
    }
  }
}

void load_all_transposed(const std::uint64_t* words) {
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    for (std::size_t m = 0; m < 4; ++m) {
      const std::size_t row = 8 * m + 2 * (lane % 4);
      call_of<LoadCall>(words, lane).r[m] = element(call_of<LoadCall>(words, row), lane / 4) |
                                            element(call_of<LoadCall>(words, row + 1), lane / 4)
                                                << 16U;
    }
  }
}

float low(std::uint32_t word) {
  return core::to_float({static_cast<std::uint16_t>(word)});
}
float high(std::uint32_t word) {
  return core::to_float({static_cast<std::uint16_t>(word >> 16U)});
}

struct Factors {
  float a[kM][kK];
  float b[kK][kN];
};

Factors gather(const std::uint64_t* words) {
  Factors f;
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const auto& call = call_of<MultiplyCall>(words, lane);
    const std::size_t group = lane / 4, pair = 2 * (lane % 4);
    for (std::size_t i = 0; i < 4; ++i) {  // down first, then right
      const std::size_t row = group + 8 * (i % 2), column = pair + 8 * (i / 2);
      f.a[row][column] = low(call.a[i]);
      f.a[row][column + 1] = high(call.a[i]);
    }
    f.b[pair][group] = low(call.b0);
    f.b[pair + 1][group] = high(call.b0);
    f.b[pair + 8][group] = low(call.b1);
    f.b[pair + 9][group] = high(call.b1);
  }
  return f;
}

void multiply_all(const std::uint64_t* words) {
  const Factors f = gather(words);
  float sums[kM][kN] = {};
  for (std::size_t i = 0; i < kM; ++i) {
    for (std::size_t k = 0; k < kK; ++k) {
      for (std::size_t j = 0; j < kN; ++j) sums[i][j] += f.a[i][k] * f.b[k][j];
    }
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    float* d = call_of<MultiplyCall>(words, lane).d;
    const std::size_t group = lane / 4, pair = 2 * (lane % 4);
    for (std::size_t i = 0; i < 4; ++i) d[i] += sums[group + 8 * (i / 2)][pair + i % 2];
  }
}

}  // namespace

void load_matrices(std::uint32_t (&r)[4], const void* shared_row, Call call, const Where& where) {
  constexpr std::size_t kRowBytes = 16;
  require_aligned(shared_row, where);
  require_in_arena(shared_row, kRowBytes, where);
  const LoadCall mine{r, static_cast<const std::byte*>(shared_row)};
  (void)meet(call, reinterpret_cast<std::uint64_t>(&mine), where,
             call == Call::load_matrices ? load_all : load_all_transposed);
}

void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                  const Where& where) {
  const MultiplyCall mine{d, a, b0, b1};
  (void)meet(Call::multiply_add, reinterpret_cast<std::uint64_t>(&mine), where, multiply_all);
}

}  // namespace epi::kernels::simt::twin
