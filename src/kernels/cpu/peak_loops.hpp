// The table of the peak loops, one per instruction set (see isa.hpp).
#pragma once

#include <cstdint>

namespace epi::kernels::cpu {

struct PeakLoops {
  /// `rounds` rounds of independent multiply-adds from registers; the sum keeps them alive.
  float (*multiply_add)(std::int64_t rounds, float x, float y);
  /// As many rounds of sums of products of bf16 pairs; null where there is no such instruction.
  /// To be called only where has_bf16().
  float (*multiply_add_bf16)(std::int64_t rounds);
  std::int64_t flops_per_round;  ///< of fp32: a multiplication and an addition each count
  /// Sum of `count` floats, a multiple of 16 on a cache line.
  float (*sum)(const float* x, std::int64_t count);
  /// a = b + s c, elementwise; the same terms.
  void (*triad)(float* a, const float* b, const float* c, float s, std::int64_t count);
};

namespace base {
extern const PeakLoops peak_loops;
}
namespace v3 {
extern const PeakLoops peak_loops;
}
namespace v4 {
extern const PeakLoops peak_loops;
}

}  // namespace epi::kernels::cpu
