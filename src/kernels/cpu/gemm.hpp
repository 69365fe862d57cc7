// Matrix products of one thread, by oneDNN; and how a large product is cut into such pieces.
//
// Panels are fixed by shape alone and each is one single-threaded oneDNN call, so the bits don't
// depend on the number of threads (oneDNN's own threading changes them). Right operands are packed
// beforehand (packed.hpp), by all threads together. A panel's result goes without gaps into the
// thread's workspace and from there, still in cache, through an epilogue to its place.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/ops.hpp"

namespace epi::kernels::cpu {

/// packed: right operands only, the form of packed.hpp.
enum class Layout : std::uint8_t { plain, transposed, packed };

/// c (=|+=) a b, with c in f32. With `transposed`, the matrix in memory is the transpose of the
/// operand. `ld` is the distance of rows in memory. bf16 inputs want a packed right operand and
/// results without gaps (ldc = n): oneDNN has its fast kernel for nothing else.
struct GemmShape {
  std::int64_t m = 0, n = 0, k = 0;
  Layout a = Layout::plain, b = Layout::plain;
  std::int64_t lda = 0, ldb = 0, ldc = 0;
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
  /// Memory of all threads together, at least `floats` long; outside of Pool::run.
  [[nodiscard]] float* shared(std::int64_t floats);
  /// Of all workspaces and scratchpads, as they have grown so far.
  [[nodiscard]] std::size_t bytes() const;
  /// What oneDNN multiplies bf16 with here: see Ops::bf16_unit.
  [[nodiscard]] static const char* bf16_unit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The grid of panels of an m x n result: even pieces of at most 128 x 192; rows in multiples of 16
/// and columns in multiples of 64 (column blocks of packed.hpp) but for the last ones.
class Panels {
 public:
  /// Depends on the shape alone, never on threads.
  Panels(std::int64_t rows, std::int64_t cols);

  struct Panel {
    std::int64_t row, rows, col, cols;
    std::int64_t down, across;  ///< position in the grid
  };
  /// Panels from top to bottom.
  [[nodiscard]] std::int64_t down() const { return down_; }
  /// Panels from left to right.
  [[nodiscard]] std::int64_t across() const { return across_; }
  /// All panels: the tasks of a product.
  [[nodiscard]] std::int64_t count() const { return down_ * across_; }
  /// Neighbouring tasks share rows.
  [[nodiscard]] Panel at(std::int64_t task) const;
  /// Sizes of full and of last panels.
  [[nodiscard]] std::int64_t rows(bool last) const;
  [[nodiscard]] std::int64_t cols(bool last) const;

 private:
  std::int64_t total_rows_, total_cols_;
  std::int64_t panel_rows_, panel_cols_;
  std::int64_t down_, across_;
};

}  // namespace epi::kernels::cpu
