// Finds the processor's level once per process.
#include "kernels/cpu/isa.hpp"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"

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

/// Of this process: there is one, as loops are picked once. Ranks that are threads share it.
struct Level {
  std::atomic<Isa> isa{std::min(supported(), wished())};
  std::atomic<bool> taken{false};  ///< somebody computes with it
};

Level& level() {
  static Level one;
  return one;
}

}  // namespace

Isa isa() {
  level().taken.store(true, std::memory_order_relaxed);
  return isa_so_far();
}

Isa isa_so_far() {
  return level().isa.load(std::memory_order_relaxed);
}

void limit_isa(Isa most) {
  if (isa_so_far() <= most) return;
  core::require(!level().taken, "the instruction set is limited before ops are made");
  level().isa = most;
}

bool has_bf16() {
  static const bool found = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") != 0;
  }();
  return found && isa() == Isa::v4;
}

const char* name_of(Isa level) {
  switch (level) {
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
