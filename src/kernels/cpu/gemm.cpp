// oneDNN matmul primitives, one per shape, run with user scratchpads: with the library's own, two
// threads in one primitive corrupt each other's results. Operands of a call are memory objects that
// exist once per primitive and thread; a call only exchanges their pointers.
#include "kernels/cpu/gemm.hpp"

#include <omp.h>

#include <algorithm>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels::cpu {
namespace {

using Memory = dnnl::memory;

Memory::desc plain(std::int64_t rows, std::int64_t cols, Memory::data_type type) {
  return {{rows, cols}, type, Memory::format_tag::ab};
}

/// What oneDNN would run for a shape; adding to c is its `sum` post-operation.
dnnl::matmul::primitive_desc describe(const GemmShape& s, const dnnl::engine& engine) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (s.write == Write::add) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  using Type = Memory::data_type;
  using Tag = Memory::format_tag;
  const bool half = s.inputs == core::DType::bf16;
  const Type type = half ? Type::bf16 : Type::f32;
  const Memory::desc packed({s.k, s.n}, type, half ? Tag::BA16a64b2a : Tag::BA16a64b);
  const dnnl::matmul::desc product(plain(s.m, s.k, type), packed, plain(s.m, s.n, Type::f32));
  return {product, attributes, engine};
}

}  // namespace

class Gemm::Kernel {
 public:
  Kernel(const dnnl::matmul::primitive_desc& description, const dnnl::engine& engine, int threads)
      : primitive_(description), scratch_bytes_(description.scratchpad_desc().get_size()) {
    for (int thread = 0; thread < threads; ++thread) {
      operands_.push_back({Memory(description.src_desc(), engine, nullptr),
                           Memory(description.weights_desc(), engine, nullptr),
                           Memory(description.dst_desc(), engine, nullptr),
                           Memory(description.scratchpad_desc(), engine, nullptr)});
    }
  }

  /// What oneDNN wants of the caller for one call.
  [[nodiscard]] std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// One product in the calling thread, which is pool thread `thread`; const_cast because oneDNN
  /// has one kind of handle for inputs and outputs.
  void run(const void* a, const void* b, float* c, void* scratch, int thread,
           const dnnl::stream& stream) const {
    const Operands& own = operands_[static_cast<std::size_t>(thread)];
    // The C interface: its C++ wrapper allocates a map and a vector for every call.
    dnnl_memory_set_data_handle(own.a.get(), const_cast<void*>(a));
    dnnl_memory_set_data_handle(own.b.get(), const_cast<void*>(b));
    dnnl_memory_set_data_handle(own.c.get(), c);
    dnnl_memory_set_data_handle(own.scratch.get(), scratch);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, own.a.get()},
                                         {DNNL_ARG_WEIGHTS, own.b.get()},
                                         {DNNL_ARG_DST, own.c.get()},
                                         {DNNL_ARG_SCRATCHPAD, own.scratch.get()}};
    const dnnl_status_t status =
        dnnl_primitive_execute(primitive_.get(), stream.get(), 4, arguments);
    core::require(status == dnnl_success, "oneDNN executes a product that it has compiled");
  }

 private:
  struct Operands {
    Memory a, b, c, scratch;
  };
  dnnl::matmul primitive_;
  std::size_t scratch_bytes_;
  std::vector<Operands> operands_;
};

struct Gemm::State {
  explicit State(int threads) : per_thread(static_cast<std::size_t>(threads)) {
    for (PerThread& own : per_thread) own.stream = dnnl::stream(engine);
  }

  /// Makes a per-thread buffer at least `bytes` long; it never shrinks, so memory settles after the
  /// first step.
  template <class Member>
  void grow(Member member, std::size_t bytes) {
    for (PerThread& own : per_thread) {
      core::Buffer& buffer = own.*member;
      if (buffer.bytes() < bytes) buffer = core::Buffer(core::kCpu, bytes);
    }
  }

  struct PerThread {
    dnnl::stream stream;
    core::Buffer scratch;    // oneDNN's
    core::Buffer workspace;  // ours
  };
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::vector<PerThread> per_thread;  // one per pool thread: no thread touches another's
  core::Buffer shared;
  // By shape: a model has a few dozen, and pointers to them stay valid.
  std::map<GemmShape, std::unique_ptr<Kernel>> kernels;
};

Gemm::Gemm(int threads) : state_(std::make_unique<State>(threads)) {}
Gemm::~Gemm() = default;

const Gemm::Kernel& Gemm::kernel(const GemmShape& shape) {
  std::unique_ptr<Kernel>& found = state_->kernels[shape];
  if (found != nullptr) return *found;
  omp_set_num_threads(1);  // oneDNN plans a primitive for the threads it sees now
  try {
    found = std::make_unique<Kernel>(describe(shape, state_->engine), state_->engine,
                                     static_cast<int>(state_->per_thread.size()));
  } catch (const dnnl::error& error) {
    throw core::DeviceError(std::string("oneDNN can't multiply matrices: ") + error.what());
  }
  state_->grow(&State::PerThread::scratch, found->scratch_bytes());
  return *found;
}

void Gemm::multiply(const Kernel& kernel, const void* a, const void* b, float* c,
                    int thread) const {
  State::PerThread& own = state_->per_thread[static_cast<std::size_t>(thread)];
  kernel.run(a, b, c, own.scratch.data(), thread, own.stream);
}

void Gemm::reserve(std::int64_t floats) {
  state_->grow(&State::PerThread::workspace, static_cast<std::size_t>(floats) * sizeof(float));
}

float* Gemm::workspace(int thread) const {
  return reinterpret_cast<float*>(
      state_->per_thread[static_cast<std::size_t>(thread)].workspace.data());
}

float* Gemm::shared(std::int64_t floats) {
  const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
  core::Buffer& buffer = state_->shared;
  if (buffer.bytes() < bytes) buffer = core::Buffer(core::kCpu, bytes);
  return reinterpret_cast<float*>(buffer.data());
}

std::size_t Gemm::bytes() const {
  std::size_t sum = state_->shared.bytes();
  for (const State::PerThread& own : state_->per_thread) {
    sum += own.scratch.bytes() + own.workspace.bytes();
  }
  return sum;
}

const char* Gemm::bf16_unit() {
  if (!has_bf16()) return "";
  // Each level of oneDNN's has the bits of those below.
  const auto level = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto amx = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_amx);
  return (level & amx) == amx ? "AMX" : "AVX512-BF16";
}

}  // namespace epi::kernels::cpu
