// In which precision a run computes: what was asked for, and what every rank's processor allows.
#pragma once

#include <cstdint>
#include <string>

#include "core/view.hpp"
#include "dist/communicator.hpp"
#include "kernels/ops.hpp"

namespace epi::train {

/// train.precision: automatic takes bf16 where all ranks multiply it alike, else fp32.
enum class Precision : std::uint8_t { automatic, fp32, bf16 };

/// "auto", "fp32" or "bf16".
[[nodiscard]] const char* name_of(Precision precision);

/// The outcome, the same on all ranks.
struct PrecisionChoice {
  core::DType activations = core::DType::f32;  ///< for model::Execution
  std::string name;  ///< "fp32" or "bf16", for logs, provenance and checkpoints
  std::string line;  ///< for people: what was taken, and why
  /// What decides the bits of results on this kind of processor: "avx512", or with bf16
  /// "avx512, AVX512-BF16".
  std::string instruction_set;
};

/// Collective. ConfigError on all ranks when bf16 is asked for and some rank has no bf16, or
/// multiplies it by another unit than rank 0, whose copy of the parameters would then drift from
/// its own.
[[nodiscard]] PrecisionChoice choose_precision(Precision wished, const kernels::Ops& ops,
                                               dist::Communicator& world);

}  // namespace epi::train
