// The arithmetic peak of this machine, now: the roof beside which a step's speed is stated.
#pragma once

namespace epi::kernels::cpu {

/// Largest fp32 FLOP/s of `threads` threads over several short trials of multiply-adds from
/// registers, in the instruction set that the loops use. Takes about 0.2 s.
[[nodiscard]] double measure_peak(int threads);

}  // namespace epi::kernels::cpu
