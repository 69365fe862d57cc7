// The table of the peak loop, one per instruction set (see isa.hpp).
#pragma once

#include <cstdint>

namespace epi::kernels::cpu {

struct PeakLoops {
  /// `rounds` rounds of independent multiply-adds from registers; the sum keeps them alive.
  float (*multiply_add)(std::int64_t rounds, float x, float y);
  std::int64_t flops_per_round;  ///< a multiplication and an addition each count
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
