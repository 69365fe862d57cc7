// Twelve independent accumulators hide the latency of a fused multiply-add (4 cycles, 2 a cycle)
// and, with two operands, fit the 16 registers of SSE2 and AVX2. Bound by arithmetic alone: no
// memory.
#include "kernels/cpu/peak_loops.hpp"

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

}  // namespace

extern const PeakLoops peak_loops;
const PeakLoops peak_loops = {multiply_add, std::int64_t{2} * kAccumulators* kRegisterBytes / 4};

}  // namespace epi::kernels::cpu::EPI_ISA_NAMESPACE
