// Loops that do nothing but what bounds them. Arithmetic: twelve independent accumulators hide the
// latency of a fused multiply-add (4 cycles, 2 a cycle) and of a sum of bf16 pairs (6 cycles, 1 a
// cycle) and, with two operands, fit the 16 registers of SSE2 and AVX2. Memory: one pass, stores
// as any other loop makes them.
#include "kernels/cpu/peak_loops.hpp"

#include "kernels/cpu/vec.hpp"

namespace epi::kernels::cpu::EPI_ISA_NAMESPACE {
namespace {

#if defined(__AVX512F__)
constexpr int kRegisterBytes = 64;
#elif defined(__AVX2__)
constexpr int kRegisterBytes = 32;
#else
constexpr int kRegisterBytes = 16;
#endif
constexpr int kAccumulators = 12;

// One register exactly, where vec.hpp's sixteen floats may be several: spills would be measured.
using Register = float [[gnu::vector_size(kRegisterBytes)]];

float multiply_add(std::int64_t rounds, float x, float y) {
  const Register factor = Register{} + x;
  const Register term = Register{} + y;
  Register sums[kAccumulators];  // unlike each other, or the compiler makes them one
  for (int i = 0; i < kAccumulators; ++i) sums[i] = Register{} + static_cast<float>(i);
  for (std::int64_t round = 0; round < rounds; ++round) {
    for (int i = 0; i < kAccumulators; ++i) sums[i] = sums[i] * factor + term;
  }
  Register total{};
  for (const Register& sum : sums) total += sum;
  return total[0];
}

#if defined(__AVX512BF16__)
// The instruction itself, since its builtin has other operand types in every compiler, and in one
// block, since an array of operands would live in memory.
float multiply_add_bf16(std::int64_t rounds) {
  const IVec x = splat_int(0x3f003f00);  // pairs of 0.5
  const IVec y = splat_int(0x00800080);  // the least normal bf16: sums stay finite
  Register a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{}, k{}, l{};
  static_assert(kAccumulators == 12, "as many as there are here");
  for (std::int64_t round = 0; round < rounds; ++round) {
    asm("vdpbf16ps %13, %12, %0\n\tvdpbf16ps %13, %12, %1\n\tvdpbf16ps %13, %12, %2\n\t"
        "vdpbf16ps %13, %12, %3\n\tvdpbf16ps %13, %12, %4\n\tvdpbf16ps %13, %12, %5\n\t"
        "vdpbf16ps %13, %12, %6\n\tvdpbf16ps %13, %12, %7\n\tvdpbf16ps %13, %12, %8\n\t"
        "vdpbf16ps %13, %12, %9\n\tvdpbf16ps %13, %12, %10\n\tvdpbf16ps %13, %12, %11"
        : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j),
          "+v"(k), "+v"(l)
        : "v"(x), "v"(y));
  }
  const Register total = a + b + c + d + e + f + g + h + i + j + k + l;
  return total[0];
}
#endif

float sum(const float* x, std::int64_t count) {
  Vec sums[4] = {};  // several, or the latency of additions is measured
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    for (int part = 0; part < 4; ++part) sums[part] += load(x + i + part * kLanes);
  }
  for (; i < count; i += kLanes) sums[0] += load(x + i);
  const Vec total = sums[0] + sums[1] + sums[2] + sums[3];
  return total[0];
}

void triad(float* a, const float* b, const float* c, float s, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += kLanes) {
    store(a + i, load(b + i) + splat(s) * load(c + i));
  }
}

}  // namespace

extern const PeakLoops peak_loops;
const PeakLoops peak_loops = {multiply_add,
#if defined(__AVX512BF16__)
                              multiply_add_bf16,
#else
                              nullptr,
#endif
                              std::int64_t{2} * kAccumulators* kRegisterBytes / 4, sum, triad};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
