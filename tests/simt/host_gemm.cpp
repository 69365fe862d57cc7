// Products in plain loops: the twin of cuBLASLt's behind kernels/cuda/gemm.hpp. The bits of an
// element depend on its factors only; sums run along the inner dimension in float.
#include "simt/host_gemm.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "core/bf16.hpp"
#include "kernels/cuda/gemm_layout.hpp"
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

/// Element of a row-major matrix whose rows may be longer than what takes part.
float load(const core::ConstView& from, std::int64_t row, std::int64_t column) {
  const std::int64_t i = row * from.shape(from.rank() - 1) + column;
  if (from.dtype() == core::DType::f32) return from.as<float>()[i];
  return core::to_float(from.as<core::BFloat16>()[i]);
}

void store(const core::View& to, std::int64_t row, std::int64_t column, float value) {
  const std::int64_t i = row * to.shape(to.rank() - 1) + column;
  if (to.dtype() == core::DType::f32) {
    to.as<float>()[i] = value;
  } else {
    to.as<core::BFloat16>()[i] = core::to_bf16(value);
  }
}

/// An operand as f32 [rows, columns], row-major, without padding.
std::vector<float> rows_of(const core::ConstView& view, Layout layout, std::int64_t rows,
                           std::int64_t columns) {
  std::vector<float> values(at(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      values[at(i * columns + j)] = layout == Layout::plain ? load(view, i, j) : load(view, j, i);
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
  if (p.bias) sum += load(p.bias, 0, j);
  if (p.epilogue == Epilogue::bias_gelu) {
    store(p.pre_out, i, j, sum);
    sum = gelu(load(p.pre_out, i, j));  // of what is stored
  }
  if (p.epilogue == Epilogue::gelu_grad) sum *= gelu_slope(load(p.pre_in, i, j));
  if (p.write == Write::add) sum += load(p.c, i, j);
  store(p.c, i, j, sum);
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
    p.sums.as<float>()[i] = sum;
  }
}

constexpr const char* kLibrary = "plain loops 1\n";

/// What a library would choose an algorithm by.
std::string shape_of(const Product& p) {
  const auto number = [](auto value) { return std::to_string(static_cast<int>(value)); };
  std::string text;
  for (const std::int64_t size : {p.m, p.n, p.k}) text += std::to_string(size) + " ";
  return text + number(p.a_layout) + number(p.b_layout) + number(p.a.dtype()) +
         number(p.c.dtype()) + number(p.write) + number(p.epilogue);
}

}  // namespace

void offer_epilogues(bool offered) {
  epilogues_offered() = offered;
}

struct Gemm::State {
  std::set<std::string> shapes;  ///< that have been "timed"
};

Gemm::Gemm(core::Device, const CudaSettings&) : state_(std::make_unique<State>()) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& product, void* stream, const Apart& apart) {
  if (state_->shapes.insert(shape_of(product)).second) {
    core::require(!core::emulated::recording(),
                  "products are timed before they are recorded into a graph");
  }
  const bool is_offered = epilogues_offered() && column_major(product).offered;
  if (product.epilogue != Epilogue::none && !is_offered) {
    core::require(static_cast<bool>(apart), "a product with an epilogue has another way to do it");
    return apart();
  }
  core::emulated::queue(
      stream, [product] { multiply(product); }, "a product");
}

std::string Gemm::choices() const {
  if (state_->shapes.empty()) return "";
  std::string text = kLibrary;
  for (const std::string& shape : state_->shapes) text += shape + "\n";
  return text;
}

bool Gemm::take_choices(const std::string& choices) {
  std::istringstream lines(choices);
  std::string line;
  if (!std::getline(lines, line)) return true;
  if (line + "\n" != kLibrary) return false;
  while (std::getline(lines, line)) state_->shapes.insert(line);
  return true;
}

std::size_t Gemm::bytes() const {
  return 0;
}

}  // namespace epi::kernels::cuda
