// Matrix products of the CUDA back end. cuBLASLt does them (gemm.cpp); tests/simt has a twin in
// plain loops. No type of cuBLAS appears here.
#pragma once

#include <cstddef>
#include <cstdint>
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
  bias_gelu,    ///< pre = a b + bias, c = gelu_tanh(pre)
  gelu_grad,    ///< c = (a b) gelu_tanh'(pre)
  column_sums,  ///< c = a b; bias = column sums of the transpose of a, which is dy: bias gradients
};

/// c [M, N] = epilogue(a [M, K] b [K, N]), or += with Write::add and no epilogue but column_sums.
/// Row-major; a transposed operand lies as [K, M] or [N, K]. a, b and pre are f32 or bf16, one
/// type; c is of that type or f32; bias is f32. Sums are in f32 (f32 operands: without TF32).
struct Product {
  std::int64_t m = 0, n = 0, k = 0;
  core::ConstView a{}, b{};
  Layout a_layout = Layout::plain, b_layout = Layout::plain;
  Write write = Write::set;
  Epilogue epilogue = Epilogue::none;
  const float* bias_in = nullptr;  ///< [N], read
  float* sums = nullptr;           ///< column_sums: [M] =
  const void* pre_in = nullptr;    ///< gelu_grad: [M, N], read
  void* pre_out = nullptr;         ///< bias_gelu: [M, N] =
  core::View c{};
};

class Gemm {
 public:
  Gemm(core::Device device, const CudaSettings& settings);
  ~Gemm();
  Gemm(const Gemm&) = delete;
  Gemm& operator=(const Gemm&) = delete;

  /// Queues the product on `stream` (cudaStream_t). False, and nothing is queued, when the library
  /// has no algorithm with this epilogue for these types: do it apart then. The first call with a
  /// shape times the library's candidates, unless take_choices brought one; it waits for the device
  /// and must not be recorded into a graph. DeviceError.
  [[nodiscard]] bool run(const Product& product, void* stream);

  /// See Ops.
  [[nodiscard]] std::string choices() const;
  bool take_choices(const std::string& choices);
  /// Workspace of the library.
  [[nodiscard]] std::size_t bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace epi::kernels::cuda
