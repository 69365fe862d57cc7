// Products in plain loops: the twin of cuBLASLt's behind kernels/cuda/gemm.hpp. The bits of an
// element depend on its factors only; sums run along the inner dimension in float.
#include "simt/host_gemm.hpp"

#include <atomic>
#include <cmath>
#include <utility>
#include <vector>

#include "core/bf16.hpp"
#include "kernels/cuda/gemm.hpp"
#include "simt/emulated_device.hpp"

namespace epi::kernels::cuda {
namespace {

std::atomic<bool>& epilogues_offered() {
  static std::atomic<bool> offered{true};
  return offered;
}

std::size_t at(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

float load(const void* from, core::DType type, std::int64_t i) {
  if (type == core::DType::f32) return static_cast<const float*>(from)[i];
  return core::to_float(static_cast<const core::BFloat16*>(from)[i]);
}

void store(void* to, core::DType type, std::int64_t i, float value) {
  if (type == core::DType::f32) {
    static_cast<float*>(to)[i] = value;
  } else {
    static_cast<core::BFloat16*>(to)[i] = core::to_bf16(value);
  }
}

/// An operand as f32 [rows, columns], row-major.
std::vector<float> rows_of(const core::ConstView& view, Layout layout, std::int64_t rows,
                           std::int64_t columns) {
  std::vector<float> values(at(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      const std::int64_t from = layout == Layout::plain ? i * columns + j : j * rows + i;
      values[at(i * columns + j)] = load(view.raw(), view.dtype(), from);
    }
  }
  return values;
}

// gelu_tanh and its derivative: Hendrycks & Gimpel, arXiv 1606.08415, section 2.
constexpr float kRootTwoOverPi = 0.7978845608F;
constexpr float kCubic = 0.044715F;

float gelu(float x) {
  return 0.5F * x * (1.0F + std::tanh(kRootTwoOverPi * (x + kCubic * x * x * x)));
}

float gelu_slope(float x) {
  const float t = std::tanh(kRootTwoOverPi * (x + kCubic * x * x * x));
  return 0.5F * (1.0F + t) +
         0.5F * x * (1.0F - t * t) * kRootTwoOverPi * (1.0F + 3.0F * kCubic * x * x);
}

/// One element from its sum to memory.
void finish(const Product& p, std::int64_t i, std::int64_t j, float sum) {
  const std::int64_t element = i * p.n + j;
  if (p.bias_in != nullptr) sum += p.bias_in[j];
  if (p.epilogue == Epilogue::bias_gelu) {
    store(p.pre_out, p.a.dtype(), element, sum);
    sum = gelu(load(p.pre_out, p.a.dtype(), element));  // of the stored one, as the contract says
  }
  if (p.epilogue == Epilogue::gelu_grad) {
    sum *= gelu_slope(load(p.pre_in, p.a.dtype(), element));
  }
  if (p.write == Write::add) sum += load(p.c.raw(), p.c.dtype(), element);
  store(p.c.raw(), p.c.dtype(), element, sum);
}

void multiply(const Product& p) {
  const std::vector<float> a = rows_of(p.a, p.a_layout, p.m, p.k);
  const std::vector<float> b = rows_of(p.b, p.b_layout, p.k, p.n);
  std::vector<float> row(at(p.n));
  for (std::int64_t i = 0; i < p.m; ++i) {
    std::fill(row.begin(), row.end(), 0.0F);
    for (std::int64_t k = 0; k < p.k; ++k) {
      const float factor = a[at(i * p.k + k)];
      for (std::int64_t j = 0; j < p.n; ++j) row[at(j)] += factor * b[at(k * p.n + j)];
    }
    for (std::int64_t j = 0; j < p.n; ++j) finish(p, i, j, row[at(j)]);
  }
  if (p.epilogue != Epilogue::column_sums) return;
  for (std::int64_t i = 0; i < p.m; ++i) {
    float sum = 0;
    for (std::int64_t k = 0; k < p.k; ++k) sum += a[at(i * p.k + k)];
    p.sums[i] = sum;
  }
}

}  // namespace

void offer_epilogues(bool offered) {
  epilogues_offered() = offered;
}

struct Gemm::State {};

Gemm::Gemm(core::Device, const CudaSettings&) : state_(std::make_unique<State>()) {}
Gemm::~Gemm() = default;

bool Gemm::run(const Product& product, void* stream) {
  if (product.epilogue != Epilogue::none && !epilogues_offered()) return false;
  core::emulated::queue(
      stream, [product] { multiply(product); }, "a product");
  return true;
}

/// Plain loops leave nothing to choose.
std::string Gemm::choices() const {
  return "";
}

bool Gemm::take_choices(const std::string& choices) {
  return choices.empty();
}

std::size_t Gemm::bytes() const {
  return 0;
}

}  // namespace epi::kernels::cuda
