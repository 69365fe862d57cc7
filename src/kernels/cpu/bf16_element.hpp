// A bfloat16 in memory, for the tables of loops: core::BFloat16 without its inline functions, which
// loops files must not include (isa.hpp).
#pragma once

#include <cstdint>

namespace epi::kernels::cpu {

enum class Bf16 : std::uint16_t {};

}  // namespace epi::kernels::cpu
