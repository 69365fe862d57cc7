// cuBLASLt's functions in plain loops, by its header's rules: with it the real gemm.cpp runs on
// emulated devices, where the library can't. It refuses what the header says is refused (types of
// vectors, leading dimensions, misaligned operands, workspaces that are too small) and offers,
// among good algorithms, those that gemm.cpp must not take. Products with epilogues can be
// withheld.
#include "simt/stand_in_cublaslt.hpp"

#include <cublasLt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/bf16.hpp"
#include "simt/emulated_device.hpp"

struct cublasLtContext {};

namespace {

struct Matrix {
  cudaDataType type;
  std::int64_t rows, columns, ld;
};

struct Description {
  std::int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
  std::uint32_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  void* aux = nullptr;
  std::int64_t aux_ld = 0;
};

struct Preference {
  std::uint64_t workspace = 0;
  std::uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::array<std::uint32_t, 4> alignment{256, 256, 256, 256};
};

/// What an algorithm's opaque words hold here.
struct Recipe {
  std::int32_t split_k;
  std::uint32_t scheme;
  std::uint64_t workspace;
};

// In the order of the heuristic. The first sums in place, in any order; the third wants more
// workspace than anybody has.
constexpr std::uint64_t kTooMuch = std::uint64_t{1} << 40U;
constexpr std::array<Recipe, 4> kRecipes{{
    {8, CUBLASLT_REDUCTION_SCHEME_INPLACE, 0},
    {4, CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, 4096},
    {1, CUBLASLT_REDUCTION_SCHEME_NONE, kTooMuch},
    {1, CUBLASLT_REDUCTION_SCHEME_NONE, 0},
}};

bool epilogues_withheld = false;
std::int64_t refused = 0;

template <class T>
const T& as(const void* opaque) {
  return *static_cast<const T*>(opaque);
}

template <class T, class Made, class... Fields>
cublasStatus_t make(Made** made, Fields... fields) {
  *made = reinterpret_cast<Made*>(new T{fields...});
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t read(T& into, const void* from, std::size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&into, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool aligned(const void* address, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(address) % bytes == 0;
}

Recipe recipe_of(const cublasLtMatmulAlgo_t& algorithm) {
  return kRecipes.at(static_cast<std::size_t>(algorithm.data[0]) % kRecipes.size());
}

bool takes_bias(std::uint32_t epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
}

bool takes_aux(std::uint32_t epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_GELU_AUX || epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS ||
         epilogue == CUBLASLT_EPILOGUE_DGELU;
}

struct Shape {
  std::int64_t m, n, k;
};

/// By the header: op(A) is m x k, op(B) k x n, D m x n.
bool agree(const Description& d, const Matrix& a, const Matrix& b, const Matrix& c, Shape& shape) {
  const auto [am, ak] =
      d.transpose_a == CUBLAS_OP_N ? std::pair(a.rows, a.columns) : std::pair(a.columns, a.rows);
  const auto [bk, bn] =
      d.transpose_b == CUBLAS_OP_N ? std::pair(b.rows, b.columns) : std::pair(b.columns, b.rows);
  shape = {am, bn, ak};
  const bool types = a.type == b.type && (c.type == a.type || c.type == CUDA_R_32F);
  const bool strides = a.ld >= a.rows && b.ld >= b.rows && c.ld >= c.rows;
  return types && strides && ak == bk && c.rows == am && c.columns == bn;
}

/// Which combinations have kernels at all.
bool supported(const Description& d, const Matrix& a, const Matrix& b, const Matrix& c) {
  Shape shape{};
  if (!agree(d, a, b, c, shape)) return false;
  if (d.epilogue == CUBLASLT_EPILOGUE_DEFAULT) return true;
  if (epilogues_withheld) return false;
  if (takes_bias(d.epilogue) && d.bias == nullptr) return false;
  if (takes_aux(d.epilogue)) {
    return d.aux != nullptr && d.aux_ld % 8 == 0 && d.aux_ld >= c.rows && aligned(d.aux, 16);
  }
  return takes_bias(d.epilogue) || d.epilogue == CUBLASLT_EPILOGUE_BGRADB;
}

float load(const void* memory, cudaDataType type, std::int64_t i) {
  if (type == CUDA_R_32F) return static_cast<const float*>(memory)[i];
  return epi::core::to_float(static_cast<const epi::core::BFloat16*>(memory)[i]);
}

void store(void* memory, cudaDataType type, std::int64_t i, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(memory)[i] = value;
  } else {
    static_cast<epi::core::BFloat16*>(memory)[i] = epi::core::to_bf16(value);
  }
}

// gelu by its tanh form, and its derivative (Hendrycks & Gimpel, arXiv 1606.08415).
float inner_tanh(float x) {
  return std::tanh(0.7978845608F * (x + 0.044715F * x * x * x));
}
float gelu(float x) {
  return 0.5F * x * (1.0F + inner_tanh(x));
}
float gelu_slope(float x) {
  const float t = inner_tanh(x);
  return 0.5F * (1.0F + t) +
         0.5F * x * (1.0F - t * t) * 0.7978845608F * (1.0F + 3.0F * 0.044715F * x * x);
}

/// A call as the library keeps it until the device comes to it.
struct Call {
  Description d;
  Matrix a, b, c;
  Shape shape;
  const void* a_data;
  const void* b_data;
  void* d_data;
  float alpha, beta;
  std::int32_t parts;  ///< of the inner dimension
};

float element(const void* data, const Matrix& m, std::int32_t operation, std::int64_t row,
              std::int64_t column) {
  const std::int64_t i = operation == CUBLAS_OP_N ? row + column * m.ld : column + row * m.ld;
  return load(data, m.type, i);
}

float sum_of(const Call& call, std::int64_t i, std::int64_t j) {
  float total = 0;
  const std::int64_t k = call.shape.k;
  for (std::int32_t part = 0; part < call.parts; ++part) {
    float sum = 0;
    for (std::int64_t l = k * part / call.parts; l < k * (part + 1) / call.parts; ++l) {
      sum += element(call.a_data, call.a, call.d.transpose_a, i, l) *
             element(call.b_data, call.b, call.d.transpose_b, l, j);
    }
    total += sum;
  }
  return total;
}

void finish(const Call& call, std::int64_t i, std::int64_t j) {
  const Matrix& c = call.c;
  float value = call.alpha * sum_of(call, i, j);
  if (call.beta != 0.0F) value += call.beta * load(call.d_data, c.type, i + j * c.ld);
  if (takes_bias(call.d.epilogue)) value += load(call.d.bias, c.type, i);
  if (takes_aux(call.d.epilogue)) {
    const std::int64_t at = i + j * call.d.aux_ld;
    if (call.d.epilogue == CUBLASLT_EPILOGUE_DGELU) {
      value *= gelu_slope(load(call.d.aux, c.type, at));
    } else {
      store(call.d.aux, c.type, at, value);
      value = gelu(value);
    }
  }
  store(call.d_data, c.type, i + j * c.ld, value);
}

void multiply(const Call& call) {
  for (std::int64_t j = 0; j < call.shape.n; ++j) {
    for (std::int64_t i = 0; i < call.shape.m; ++i) finish(call, i, j);
  }
  if (call.d.epilogue != CUBLASLT_EPILOGUE_BGRADB) return;
  for (std::int64_t j = 0; j < call.shape.n; ++j) {
    float sum = 0;
    for (std::int64_t l = 0; l < call.shape.k; ++l) {
      sum += element(call.b_data, call.b, call.d.transpose_b, l, j);
    }
    store(call.d.bias, call.c.type, j, sum);
  }
}

cublasStatus_t refuse(cublasStatus_t status) {
  ++refused;
  return status;
}

}  // namespace

namespace epi::kernels::cuda {

void withhold_epilogues(bool withheld) {
  epilogues_withheld = withheld;
}

std::int64_t refused_products() {
  return refused;
}

}  // namespace epi::kernels::cuda

extern "C" {

std::size_t cublasLtGetVersion() {
  return 130000;
}
const char* cublasLtGetStatusString(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS ? "success" : "refused by the stand-in";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t ld) {
  return make<Matrix>(layout, type, static_cast<std::int64_t>(rows),
                      static_cast<std::int64_t>(columns), ld);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete reinterpret_cast<Matrix*>(layout);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description,
                                        cublasComputeType_t compute, cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  return make<Description>(description);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  delete reinterpret_cast<Description*>(description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  auto& d = *reinterpret_cast<Description*>(description);
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return read(d.transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return read(d.transpose_b, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return read(d.epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return read(d.bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER:
      return read(d.aux, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD:
      return read(d.aux_ld, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return make<Preference>(preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete reinterpret_cast<Preference*>(preference);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  auto& p = *reinterpret_cast<Preference*>(preference);
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return read(p.workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return read(p.schemes, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return read(p.alignment[0], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return read(p.alignment[1], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return read(p.alignment[2], value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return read(p.alignment[3], value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

// Of an algorithm's words, the first says which it is, the next which alignment it counts on.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  *count = 0;
  if (c != d ||
      !supported(as<Description>(description), as<Matrix>(a), as<Matrix>(b), as<Matrix>(d))) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const auto& p = as<Preference>(preference);
  for (std::size_t i = 0; i < kRecipes.size() && *count < requested; ++i) {
    // In place is offered whatever the mask says: gemm.cpp must look itself.
    const std::uint32_t scheme = kRecipes.at(i).scheme;
    if (scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE && (p.schemes & scheme) == 0) continue;
    cublasLtMatmulHeuristicResult_t& result = results[(*count)++];
    result = {};
    result.algo.data[0] = i;
    result.algo.data[1] = *std::min_element(p.alignment.begin(), p.alignment.end());
    result.workspaceSize = kRecipes.at(i).workspace;
    result.state = CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* result) {
  if (algorithm->data[0] >= kRecipes.size() ||
      !supported(as<Description>(description), as<Matrix>(a), as<Matrix>(b), as<Matrix>(d))) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  *result = {};
  result->algo = *algorithm;
  result->workspaceSize = recipe_of(*algorithm).workspace;
  result->state = CUBLAS_STATUS_SUCCESS;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute,
                                                    void* value, std::size_t bytes,
                                                    std::size_t* written) {
  const Recipe recipe = recipe_of(*algorithm);
  if (bytes != sizeof(std::int32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  *written = bytes;
  if (attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM) {
    std::memcpy(value, &recipe.split_k, bytes);
  } else if (attribute == CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) {
    std::memcpy(value, &recipe.scheme, bytes);
  } else {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t description, const void* alpha,
                              const void* a_data, cublasLtMatrixLayout_t a, const void* b_data,
                              cublasLtMatrixLayout_t b, const void* beta, const void* c_data,
                              cublasLtMatrixLayout_t, void* d_data, cublasLtMatrixLayout_t d,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  Call call{as<Description>(description),
            as<Matrix>(a),
            as<Matrix>(b),
            as<Matrix>(d),
            {},
            a_data,
            b_data,
            d_data,
            as<float>(alpha),
            as<float>(beta),
            1};
  if (c_data != d_data || !supported(call.d, call.a, call.b, call.c) ||
      !agree(call.d, call.a, call.b, call.c, call.shape)) {
    return refuse(CUBLAS_STATUS_NOT_SUPPORTED);
  }
  const Recipe recipe = recipe_of(*algorithm);
  const std::size_t alignment = algorithm->data[1];
  const bool in_order = recipe.scheme != CUBLASLT_REDUCTION_SCHEME_INPLACE;
  const bool fits = recipe.workspace <= workspace_bytes && aligned(workspace, 256);
  const bool lies_right =
      aligned(a_data, alignment) && aligned(b_data, alignment) && aligned(d_data, alignment);
  if (!in_order || !fits || !lies_right) return refuse(CUBLAS_STATUS_INVALID_VALUE);
  call.parts = recipe.split_k;
  epi::core::emulated::queue(
      stream, [call] { multiply(call); }, "a product");
  return CUBLAS_STATUS_SUCCESS;
}

// What gemm.cpp asks the runtime itself.
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = epi::core::emulated::recording() ? cudaStreamCaptureStatusActive
                                             : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t) {
  return "an error of the stand-in";
}

}  // extern "C"
