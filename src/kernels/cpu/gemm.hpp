// Matrix products of one thread, by oneDNN, in the one form that it multiplies at the peak of a
// core: a packed right operand (packed.hpp), everything else without gaps. Rows further apart cost
// bf16 its fast kernel: a hundred times slower.
//
// Ops cut their products into such calls by shape alone and each call runs in one thread, so the
// bits don't depend on the number of threads (oneDNN's own threading changes them).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/ops.hpp"

namespace epi::kernels::cpu {

/// c (=|+=) a b: a [m, k] row by row, b [k, n] packed, c [m, n] in f32 row by row.
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  Write write = Write::set;
  core::DType inputs = core::DType::f32;  ///< of a and b: f32 or bf16
  friend auto operator<=>(const GemmShape&, const GemmShape&) = default;
};

/// Compiled products, with what each thread needs to run them.
class Gemm {
 public:
  /// For a pool of `threads`, which is how many sets of operands each kernel gets.
  explicit Gemm(int threads);
  ~Gemm();
  /// Not copied: kernels are handed out by reference.
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// One compiled product; lives as long as the Gemm.
  class Kernel;

  /// The product for a shape, compiled on first use. For the calling thread only, outside of
  /// Pool::run. Throws DeviceError with oneDNN's words.
  [[nodiscard]] const Kernel& kernel(const GemmShape& shape);

  /// Runs a product on pool thread `thread`; different threads may run at once. No allocation of
  /// ours. Memory of a, b and c as in the kernel's shape.
  void multiply(const Kernel& kernel, const void* a, const void* b, float* c, int thread) const;

  /// Makes every thread's workspace at least `floats` long; outside of Pool::run.
  void reserve(std::int64_t floats);
  /// The thread's own memory, 64-byte aligned; contents last until the next op.
  [[nodiscard]] float* workspace(int thread) const;
  /// Of all workspaces and scratchpads, as they have grown so far.
  [[nodiscard]] std::size_t bytes() const;
  /// What oneDNN multiplies bf16 with here: see Ops::bf16_unit.
  [[nodiscard]] static const char* bf16_unit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::kernels::cpu
