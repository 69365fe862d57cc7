// Matrix products of the CUDA back end. cuBLASLt does them (gemm.cpp); tests/simt has a twin in
// plain loops. No type of cuBLAS appears here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/view.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels::cuda {

/// Which way an operand lies in memory.
enum class Layout : std::uint8_t { plain, transposed };

/// What is done to a product on its way to memory.
enum class Epilogue : std::uint8_t {
  none,
  bias,         ///< c = a b + bias (per column)
  bias_gelu,    ///< pre_out = a b + bias, c = gelu_tanh(pre_out); the bias may be absent
  gelu_grad,    ///< c = (a b) gelu_tanh'(pre_in)
  column_sums,  ///< c = a b; sums = row sums of a: of the columns of dy, where a is dy transposed
};

/// c [M, N] = epilogue(a [M, K] b [K, N]), or c += a b with Write::add and no epilogue. Row-major;
/// a transposed operand lies as [K, M] or [N, K]. A matrix may have more columns in memory than
/// take part: its view's shape says how many. a and b are f32 or bf16, one type; c is of that type
/// or f32. Sums are in f32 (f32 operands: without TF32).
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  core::ConstView a{}, b{};
  Layout a_layout = Layout::plain, b_layout = Layout::plain;
  Write write = Write::set;
  Epilogue epilogue = Epilogue::none;
  core::ConstView bias{};    ///< [N], of the type of c
  core::View sums{};         ///< column_sums: f32 [M] =
  core::ConstView pre_in{};  ///< gelu_grad: as c
  core::View pre_out{};      ///< bias_gelu: as c =
  core::View c{};
};

/// Queues by other means what a product with its epilogue would have written.
using Apart = std::function<void()>;

class Gemm {
 public:
  /// Allocates the library's workspace. DeviceError.
  Gemm(core::Device device, const CudaSettings& settings);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// Queues the product on `stream` (cudaStream_t), or calls `apart` instead, which a product with
  /// an epilogue needs: where the library has no algorithm with this epilogue for these types and
  /// shapes, or where `apart` was faster. The first call with a shape times the library's
  /// candidates and `apart`, unless take_choices brought a choice: it waits for the device, and is
  /// a LogicError while a graph is recorded. DeviceError.
  void run(const Product& product, void* stream, const Apart& apart = {});

  /// See Ops: a line that names the library and the device, then one for each shape.
  [[nodiscard]] std::string choices() const;
  bool take_choices(const std::string& choices);
  /// Workspace of the library.
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::kernels::cuda
