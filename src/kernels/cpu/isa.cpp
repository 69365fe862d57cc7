// Finds the processor's level once per process.
#include "kernels/cpu/isa.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace epi::kernels::cpu {
namespace {

Isa supported() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v4")) return Isa::v4;
  return __builtin_cpu_supports("x86-64-v3") ? Isa::v3 : Isa::base;
}

Isa wished() {
  const char* text = std::getenv("EPITRAIN_ISA");  // NOLINT(concurrency-mt-unsafe): read once
  const std::string_view level = text != nullptr ? text : "";
  if (level == "base") return Isa::base;
  return level == "v3" ? Isa::v3 : Isa::v4;
}

}  // namespace

Isa isa() {
  static const Isa level = std::min(supported(), wished());
  return level;
}

bool has_bf16() {
  static const bool found = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") != 0;
  }();
  return found && isa() == Isa::v4;
}

const char* isa_name() {
  switch (isa()) {
    case Isa::v4:
      return "avx512";
    case Isa::v3:
      return "avx2";
    case Isa::base:
      break;
  }
  return "sse2";
}

}  // namespace epi::kernels::cpu
