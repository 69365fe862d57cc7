// Products by cuBLASLt. Everything that a call needs is made at the first call with a key (plans),
// so that later ones cost a lookup and one library call.
//
// Which algorithm runs is measured, not guessed: the library's heuristic names candidates, each is
// timed on the caller's own operands, and so is doing the epilogue apart. Bits depend on what wins,
// therefore choices travel as text: to other ranks and into checkpoints. Reproducible runs time
// nothing and take the library's first guess. Algorithms whose bits may
// differ from run to run (sums in place, in the order in which blocks arrive) are never taken, nor
// are those that round between parts of a sum.
#include "kernels/cuda/gemm.hpp"

#include <cublasLt.h>
#include <cuda_runtime_api.h>

#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/cuda/gemm_layout.hpp"

namespace epi::kernels::cuda {
namespace {

// 32 MiB is what the library's manual asks for, Hopper's kernels excepted, which get 64.
constexpr std::size_t kWorkspace = std::size_t{32} << 20U;
constexpr std::size_t kHopperWorkspace = std::size_t{64} << 20U;
constexpr int kHopperMajor = 9;

// The heuristic's order is good: the best was within the first 8 in what has been published on it.
constexpr int kRequested = 16;
constexpr std::size_t kTimed = 8;
constexpr int kWarmUps = 3;
constexpr int kRuns = 5;
// All are timed twice, in turn: the first ones meet a GPU that is not at its usual clock yet.
constexpr int kRounds = 2;

constexpr const char* kApart = "apart";

void check(cublasStatus_t status, const std::string& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw core::DeviceError("cuBLASLt failed: " + what + ": " + cublasLtGetStatusString(status));
}

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // a sticky error is reported once
  throw core::DeviceError(std::string(call) + " failed: " + cudaGetErrorString(status));
}

struct Destroy {
  void operator()(cublasLtContext* handle) const { (void)cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDescOpaque_t* d) const { (void)cublasLtMatmulDescDestroy(d); }
  void operator()(cublasLtMatrixLayoutOpaque_t* l) const { (void)cublasLtMatrixLayoutDestroy(l); }
  void operator()(cublasLtMatmulPreferenceOpaque_t* p) const {
    (void)cublasLtMatmulPreferenceDestroy(p);
  }
};
template <class T>
using Owned = std::unique_ptr<T, Destroy>;
using Handle = Owned<cublasLtContext>;
using Description = Owned<cublasLtMatmulDescOpaque_t>;
using MatrixLayout = Owned<cublasLtMatrixLayoutOpaque_t>;
using Preference = Owned<cublasLtMatmulPreferenceOpaque_t>;

template <class T>
void set(const Description& description, cublasLtMatmulDescAttributes_t attribute, T value) {
  check(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof value),
        "an attribute of a product");
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
        "a preference among algorithms");
}

cudaDataType_t library_type(core::DType type) {
  core::require(type == core::DType::f32 || type == core::DType::bf16,
                "matrices of products are f32 or bf16");
  return type == core::DType::f32 ? CUDA_R_32F : CUDA_R_16BF;
}

std::uint32_t library_epilogue(LibraryEpilogue epilogue) {
  switch (epilogue) {
    case LibraryEpilogue::none:
      return CUBLASLT_EPILOGUE_DEFAULT;
    case LibraryEpilogue::bias:
      return CUBLASLT_EPILOGUE_BIAS;
    case LibraryEpilogue::gelu_aux:
      return CUBLASLT_EPILOGUE_GELU_AUX;
    case LibraryEpilogue::gelu_aux_bias:
      return CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
    case LibraryEpilogue::dgelu:
      return CUBLASLT_EPILOGUE_DGELU;
    case LibraryEpilogue::bgradb:
      return CUBLASLT_EPILOGUE_BGRADB;
  }
  return CUBLASLT_EPILOGUE_DEFAULT;
}

MatrixLayout make_layout(const ColumnMajorMatrix& matrix) {
  cublasLtMatrixLayout_t layout = nullptr;
  check(cublasLtMatrixLayoutCreate(&layout, library_type(matrix.type),
                                   static_cast<std::uint64_t>(matrix.rows),
                                   static_cast<std::uint64_t>(matrix.columns), matrix.ld),
        "a matrix of " + gemm_layout::text(matrix));
  return MatrixLayout(layout);
}

/// f32 operands are multiplied as such: TF32 would need the compute type that is named after it.
Description make_description(const GemmKey& key) {
  cublasLtMatmulDesc_t made = nullptr;
  check(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F), "a product");
  Description description(made);
  const auto operation = [](bool transposed) -> std::int32_t {
    return transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
  };
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, operation(key.transpose_a));
  set(description, CUBLASLT_MATMUL_DESC_TRANSB, operation(key.transpose_b));
  set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, library_epilogue(key.epilogue));
  if (key.aux_ld != 0) set(description, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, key.aux_ld);
  return description;
}

void set_pointers(const Description& description, const GemmOperands& operands) {
  if (operands.vector != nullptr) {
    set(description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, operands.vector);
  }
  if (operands.aux != nullptr) {
    set(description, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, operands.aux);
  }
}

using Algorithm = cublasLtMatmulAlgo_t;

std::string to_hex(const Algorithm& algorithm) {
  std::array<unsigned char, sizeof(Algorithm)> bytes{};
  std::memcpy(bytes.data(), &algorithm, sizeof(Algorithm));
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::optional<Algorithm> from_hex(const std::string& text) {
  std::array<unsigned char, sizeof(Algorithm)> bytes{};
  if (text.size() != 2 * bytes.size()) return std::nullopt;
  const std::string digits = "0123456789abcdef";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t digit = digits.find(text[i]);
    if (digit == std::string::npos) return std::nullopt;
    bytes.at(i / 2) = static_cast<unsigned char>(bytes.at(i / 2) * 16U + digit);
  }
  Algorithm algorithm{};
  std::memcpy(&algorithm, bytes.data(), sizeof(Algorithm));
  return algorithm;
}

/// Where an algorithm does not know an attribute, it has the attribute's default.
template <class T>
T config_of(const Algorithm& algorithm, cublasLtMatmulAlgoConfigAttributes_t attribute,
            T otherwise) {
  T value = otherwise;
  std::size_t written = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof value, &written);
  return status == CUBLAS_STATUS_SUCCESS && written == sizeof value ? value : otherwise;
}

/// Whether products may cut their inner dimension.
enum class Sums : std::uint8_t { whole, in_parts };

/// Whether its sums have one order, and no parts that are rounded to the type of the result.
bool is_admissible(const Algorithm& algorithm, Sums sums) {
  const auto splits = config_of<std::int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, 1);
  const auto scheme = config_of<std::uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME,
                                               CUBLASLT_REDUCTION_SCHEME_NONE);
  if (scheme == CUBLASLT_REDUCTION_SCHEME_NONE) return splits == 0 || splits == 1;
  return sums == Sums::in_parts && scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
}

/// All that a call with one key needs, beside its operands.
struct Plan {
  Description description;
  MatrixLayout a, b, d;
  bool is_apart = false;  ///< done by other means
  Algorithm algorithm{};
};

bool is_recording(void* stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(static_cast<cudaStream_t>(stream), &status), "cudaStreamIsCapturing");
  return status != cudaStreamCaptureStatusNone;
}

/// Seconds of one of several runs of `work`, after runs that bring clocks and caches to their usual
/// state. Waits for the device.
template <class Work>
double seconds_of(core::Device device, void* stream, const Work& work) {
  namespace backend = core::device_backend;
  for (int i = 0; i < kWarmUps; ++i) work();
  const std::shared_ptr<void> begin = backend::make_mark(device), end = backend::make_mark(device);
  backend::set_mark(begin.get(), stream);
  for (int i = 0; i < kRuns; ++i) work();
  backend::set_mark(end.get(), stream);
  backend::synchronize_event(end.get());
  return backend::seconds_between(begin.get(), end.get()) / kRuns;
}

}  // namespace

struct Gemm::State {
  State(core::Device where, const CudaSettings& settings)
      : device(where),
        reproducible(settings.reproducible),
        sums(reproducible ? Sums::whole : Sums::in_parts) {
    const core::DeviceProperties properties = core::cuda_properties(device.index);
    title = "cublasLt " + std::to_string(cublasLtGetVersion()) + ", " + properties.name;
    workspace =
        core::Buffer(device, properties.major >= kHopperMajor ? kHopperWorkspace : kWorkspace);
    cublasLtHandle_t made = nullptr;
    check(cublasLtCreate(&made), "cublasLtCreate");  // on the device that the buffer made current
    handle = Handle(made);
  }

  /// Those that the library names for the key, best first as it guesses, less those that are not
  /// admissible or need more workspace than there is.
  [[nodiscard]] std::vector<Algorithm> candidates(const GemmKey& key, const Plan& plan) const;
  /// The plan for a key: a choice that was taken over if it fits, else what measures best.
  Plan make_plan(const ColumnMajorProduct& product, void* stream, const Apart& apart);
  [[nodiscard]] bool take(const std::string& choice, Plan& plan) const;
  void measure(const ColumnMajorProduct& product, void* stream, const Apart& apart, Plan& plan);
  cublasStatus_t launch(const GemmKey& key, const GemmOperands& operands, const Plan& plan,
                        const Algorithm& algorithm, void* stream) const;

  core::Device device;
  bool reproducible;  ///< the first candidate is taken, whatever others would gain
  Sums sums;
  std::string title;  ///< first line of choices
  core::Buffer workspace;
  Handle handle;
  std::map<GemmKey, Plan> plans;
  std::map<std::string, std::string> taken;  ///< choices by key
};

std::vector<Algorithm> Gemm::State::candidates(const GemmKey& key, const Plan& plan) const {
  cublasLtMatmulPreference_t made = nullptr;
  check(cublasLtMatmulPreferenceCreate(&made), "a preference among algorithms");
  const Preference preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace.bytes()});
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      std::uint32_t{sums == Sums::in_parts ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
                                           : CUBLASLT_REDUCTION_SCHEME_NONE});
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(preference, attribute, static_cast<std::uint32_t>(key.alignment));
  }
  std::array<cublasLtMatmulHeuristicResult_t, kRequested> results{};
  int count = 0;
  // Anything but success means that there is none.
  const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
      handle.get(), plan.description.get(), plan.a.get(), plan.b.get(), plan.d.get(), plan.d.get(),
      preference.get(), kRequested, results.data(), &count);
  std::vector<Algorithm> found;
  if (status != CUBLAS_STATUS_SUCCESS) return found;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) && found.size() < kTimed; ++i) {
    const cublasLtMatmulHeuristicResult_t& result = results.at(i);
    const bool fits =
        result.state == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= workspace.bytes();
    if (fits && is_admissible(result.algo, sums)) found.push_back(result.algo);
  }
  return found;
}

cublasStatus_t Gemm::State::launch(const GemmKey& key, const GemmOperands& operands,
                                   const Plan& plan, const Algorithm& algorithm,
                                   void* stream) const {
  set_pointers(plan.description, operands);
  const float one = 1.0F;
  const float beta = key.accumulate ? 1.0F : 0.0F;
  return cublasLtMatmul(handle.get(), plan.description.get(), &one, operands.a, plan.a.get(),
                        operands.b, plan.b.get(), &beta, operands.d, plan.d.get(), operands.d,
                        plan.d.get(), &algorithm, workspace.data(), workspace.bytes(),
                        static_cast<cudaStream_t>(stream));
}

bool Gemm::State::take(const std::string& choice, Plan& plan) const {
  plan.is_apart = choice == kApart;
  if (plan.is_apart) return true;
  const std::optional<Algorithm> algorithm = from_hex(choice);
  if (!algorithm || !is_admissible(*algorithm, sums)) return false;
  cublasLtMatmulHeuristicResult_t result{};
  const cublasStatus_t status =
      cublasLtMatmulAlgoCheck(handle.get(), plan.description.get(), plan.a.get(), plan.b.get(),
                              plan.d.get(), plan.d.get(), &*algorithm, &result);
  if (status != CUBLAS_STATUS_SUCCESS || result.workspaceSize > workspace.bytes()) return false;
  plan.algorithm = *algorithm;
  return true;
}

// A product that adds would add at every run: it is timed on memory that nobody reads. All others
// write the same numbers again and again.
void Gemm::State::measure(const ColumnMajorProduct& product, void* stream, const Apart& apart,
                          Plan& plan) {
  const GemmKey& key = product.key;
  GemmOperands operands = product.operands;
  core::Buffer trial;
  if (key.accumulate) {
    const auto elements = static_cast<std::size_t>(key.d.columns * key.d.ld);
    trial = core::Buffer(device, elements * core::size_of(key.d.type));
    operands.d = trial.data();
  }
  const auto seconds = [&](const Algorithm& algorithm) {
    return seconds_of(device, stream,
                      [&] { (void)launch(key, operands, plan, algorithm, stream); });
  };
  std::vector<Algorithm> algorithms;
  if (product.offered) algorithms = candidates(key, plan);
  // What the library names and then refuses is no candidate.
  std::erase_if(algorithms, [&](const Algorithm& algorithm) {
    return launch(key, operands, plan, algorithm, stream) != CUBLAS_STATUS_SUCCESS;
  });
  // Which one is fastest may differ from run to run, and bits with it.
  if (reproducible && !algorithms.empty()) {
    plan.algorithm = algorithms.front();
    return;
  }
  std::optional<double> best;
  for (int round = 0; round < kRounds; ++round) {
    for (const Algorithm& algorithm : algorithms) {
      const double own = seconds(algorithm);
      if (best && *best <= own) continue;
      best = own;
      plan.algorithm = algorithm;
    }
  }
  // What is done apart writes to the caller's memory, so where it adds it can't be timed.
  if (apart) {
    plan.is_apart = !best || (!key.accumulate && seconds_of(device, stream, apart) < *best);
  }
  if (best || apart) return;
  throw core::DeviceError("cuBLASLt " + std::to_string(cublasLtGetVersion()) +
                          " has no deterministic algorithm for the product " + text(key));
}

Plan Gemm::State::make_plan(const ColumnMajorProduct& product, void* stream, const Apart& apart) {
  const GemmKey& key = product.key;
  Plan plan{.description = make_description(key),
            .a = make_layout(key.a),
            .b = make_layout(key.b),
            .d = make_layout(key.d)};
  // The library reads the alignment of these two from their addresses.
  set_pointers(plan.description, product.operands);
  const auto choice = taken.find(text(key));
  const bool can_take =
      !reproducible && choice != taken.end() && (apart || choice->second != kApart);
  if (can_take && take(choice->second, plan)) return plan;
  plan.is_apart = false;
  core::require(!is_recording(stream), "the product " + text(key) +
                                           " runs once before a graph with it is recorded, so "
                                           "that its algorithm can be chosen by timing");
  measure(product, stream, apart, plan);
  return plan;
}

Gemm::Gemm(core::Device device, const CudaSettings& settings)
    : state_(std::make_unique<State>(device, settings)) {}
Gemm::~Gemm() = default;

void Gemm::run(const Product& product, void* stream, const Apart& apart) {
  core::require(product.epilogue == Epilogue::none || apart,
                "a product with an epilogue comes with a way to do it apart");
  const ColumnMajorProduct asked = column_major(product);
  auto found = state_->plans.find(asked.key);
  if (found == state_->plans.end()) {
    // Timing `apart` makes other plans on the way.
    found = state_->plans.emplace(asked.key, state_->make_plan(asked, stream, apart)).first;
  }
  const Plan& plan = found->second;
  if (plan.is_apart) return apart();
  const cublasStatus_t status =
      state_->launch(asked.key, asked.operands, plan, plan.algorithm, stream);
  if (status != CUBLAS_STATUS_SUCCESS) check(status, "the product " + text(asked.key));
}

std::string Gemm::choices() const {
  std::map<std::string, std::string> all = state_->taken;
  for (const auto& [key, plan] : state_->plans) {
    all.insert_or_assign(text(key), plan.is_apart ? kApart : to_hex(plan.algorithm));
  }
  if (all.empty()) return "";
  std::string lines = state_->title + "\n";
  for (const auto& [key, choice] : all) lines += key + " " + choice + "\n";
  return lines;
}

bool Gemm::take_choices(const std::string& choices) {
  if (choices.empty()) return true;
  std::istringstream lines(choices);
  std::string line;
  std::getline(lines, line);
  if (line != state_->title) return false;
  bool all = true;
  while (std::getline(lines, line)) {
    const std::size_t space = line.rfind(' ');
    const std::string choice = space == std::string::npos ? "" : line.substr(space + 1);
    const bool is_known = choice == kApart || from_hex(choice).has_value();
    all = all && is_known;
    if (is_known) state_->taken.insert_or_assign(line.substr(0, space), choice);
  }
  // What was measured before gives way at the next call.
  std::erase_if(state_->plans,
                [this](const auto& entry) { return state_->taken.contains(text(entry.first)); });
  return all;
}

std::size_t Gemm::bytes() const {
  return state_->workspace.bytes();
}

}  // namespace epi::kernels::cuda
