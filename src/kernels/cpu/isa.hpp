// Which instruction set the loops use: one binary carries them for x86-64, -v3 (AVX2, FMA) and -v4
// (AVX-512), and picks once at start.
//
// How a family of loops is written, for example `norm`:
//   norm_loops.hpp  struct NormLoops { void (*forward)(...); ... };   a table of functions, and
//                   namespace base { extern const NormLoops norm_loops; }   likewise v3 and v4
//   norm_loops.cpp  includes norm_loops.hpp and vec.hpp, puts everything in
//                   namespace epi::kernels::cpu::EPI_ISA_NAMESPACE, ends with the table; listed
//                   under epi_loops() in CMakeLists.txt, which compiles it three times
//   norm.cpp        const NormLoops& loops = pick(base::norm_loops, v3::norm_loops,
//   v4::norm_loops);
//
// A loops file includes nothing else than its table, vec headers and <cstdint>: an inline function
// of any other header would be emitted with AVX-512 instructions under a name that plain code
// shares, and the linker may keep that copy for all of them. So: no std::array, no std::max, no
// views; tables take pointers and sizes.
#pragma once

#include <cstdint>

namespace epi::kernels::cpu {

enum class Isa : std::uint8_t { base, v3, v4 };

/// The best level that this processor and system carry, found once. The environment variable
/// EPITRAIN_ISA (base, v3, v4) lowers it, for tests and comparisons, and limit_isa for ranks that
/// must compute alike; neither raises it.
[[nodiscard]] Isa isa();
/// The same, for those who only want to tell: limit_isa may still lower it.
[[nodiscard]] Isa isa_so_far();
/// isa() is no higher than this from now on. LogicError when it was asked for and is higher: tables
/// of loops have been picked by then.
void limit_isa(Isa most);

/// Whether products of bf16 pairs are one instruction here (AVX512-BF16, or AMX on top of it) and
/// isa() is v4. Loops on Bf16 must not run elsewhere.
[[nodiscard]] bool has_bf16();

/// "sse2", "avx2" or "avx512", for logs and provenance.
[[nodiscard]] const char* name_of(Isa level);

/// The table of the chosen level.
template <class Table>
[[nodiscard]] const Table& pick(const Table& base, const Table& v3, const Table& v4) {
  switch (isa()) {
    case Isa::v4:
      return v4;
    case Isa::v3:
      return v3;
    case Isa::base:
      break;
  }
  return base;
}

}  // namespace epi::kernels::cpu
