// oneDNN matmul primitives, one per shape, run with user scratchpads: with the library's own, two
// threads in one primitive corrupt each other's results. Operands of a call are memory objects that
// exist once per primitive and thread; a call only exchanges their pointers.
#include "kernels/cpu/gemm.hpp"

#include <omp.h>

#include <algorithm>
#include <map>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.hpp"
#include "core/error.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"

namespace epi::kernels::cpu {
namespace {

using Memory = dnnl::memory;

/// Whether oneDNN, with the instructions that this process lets it use, has all of `level`: each
/// level has the bits of those below.
bool onednn_has(dnnl::cpu_isa level) {
  const auto bits = static_cast<unsigned>(level);
  return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & bits) == bits;
}

/// oneDNN goes no further than our own loops (EPITRAIN_ISA lowers both), so that processors that
/// say the same level multiply with the same instructions. It decides at its first call.
dnnl::engine make_engine() {
  static const bool limited = [] {
    if (isa() == Isa::v4) return true;
    const auto level = isa() == Isa::v3 ? dnnl::cpu_isa::avx2 : dnnl::cpu_isa::sse41;
    return dnnl::set_max_cpu_isa(level) == dnnl::status::success;
  }();
  core::require(limited, "oneDNN's instructions are limited before its first use");
  return {dnnl::engine::kind::cpu, 0};
}

/// `cols` columns of a product from `col` on: one call of oneDNN, and how it reads its right
/// operand.
struct Part {
  std::int64_t col, cols;
  Memory::desc b;
};

/// With AVX-512 a product is one call. Elsewhere oneDNN knows packed operands by its reference
/// loops only, a thousand times slower; but a column block of floats by itself is a plain matrix.
std::vector<Part> parts_of(const GemmShape& s) {
  using Type = Memory::data_type;
  using Tag = Memory::format_tag;
  if (s.inputs == core::DType::bf16) {
    return {{0, s.n, {{s.k, s.n}, Type::bf16, Tag::BA16a64b2a}}};
  }
  if (onednn_has(dnnl::cpu_isa::avx512_core)) {
    return {{0, s.n, {{s.k, s.n}, Type::f32, Tag::BA16a64b}}};
  }
  std::vector<Part> parts;
  for (std::int64_t col = 0; col < s.n; col += kColumnBlock) {
    const std::int64_t cols = std::min(kColumnBlock, s.n - col);
    parts.push_back({col, cols, {{s.k, cols}, Type::f32, Memory::dims{kColumnBlock, 1}}});
  }
  return parts;
}

/// What oneDNN would run for a part; adding to c is its `sum` post-operation.
dnnl::matmul::primitive_desc describe(const GemmShape& s, const Part& part,
                                      const dnnl::engine& engine) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (s.write == Write::add) {
    dnnl::post_ops sum;
    sum.append_sum(1.0F);
    attributes.set_post_ops(sum);
  }
  using Type = Memory::data_type;
  const Type type = s.inputs == core::DType::bf16 ? Type::bf16 : Type::f32;
  const Memory::desc a({s.m, s.k}, type, Memory::format_tag::ab);
  const Memory::desc c({s.m, part.cols}, Type::f32, Memory::dims{s.n, 1});
  return {dnnl::matmul::desc(a, part.b, c), attributes, engine};
}

}  // namespace

class Gemm::Kernel {
 public:
  Kernel(const GemmShape& shape, const dnnl::engine& engine, int threads) {
    for (const Part& part : parts_of(shape)) {
      const dnnl::matmul::primitive_desc description = describe(shape, part, engine);
      Call call{
          dnnl::matmul(description), part.col * packed_depth(shape.k, shape.inputs), part.col, {}};
      for (int thread = 0; thread < threads; ++thread) {
        call.operands.push_back({Memory(description.src_desc(), engine, nullptr),
                                 Memory(description.weights_desc(), engine, nullptr),
                                 Memory(description.dst_desc(), engine, nullptr),
                                 Memory(description.scratchpad_desc(), engine, nullptr)});
      }
      scratch_bytes_ = std::max(scratch_bytes_, description.scratchpad_desc().get_size());
      calls_.push_back(std::move(call));
    }
    b_bytes_ = core::size_of(shape.inputs);
  }

  /// What oneDNN wants of the caller for one call.
  [[nodiscard]] std::size_t scratch_bytes() const { return scratch_bytes_; }

  /// One product in the calling thread, which is pool thread `thread`.
  void run(const void* a, const void* b, float* c, void* scratch, int thread,
           const dnnl::stream& stream) const {
    for (const Call& call : calls_) {
      const auto* b_part =
          static_cast<const std::byte*>(b) + static_cast<std::size_t>(call.b) * b_bytes_;
      run(call, call.operands[static_cast<std::size_t>(thread)], a, b_part, c + call.c, scratch,
          stream);
    }
  }

 private:
  struct Operands {
    Memory a, b, c, scratch;
  };
  struct Call {
    dnnl::matmul primitive;
    std::int64_t b, c;  ///< elements before this part's first
    std::vector<Operands> operands;
  };

  /// const_cast because oneDNN has one kind of handle for inputs and outputs. The C interface: its
  /// C++ wrapper allocates a map and a vector for every call.
  static void run(const Call& call, const Operands& own, const void* a, const void* b, float* c,
                  void* scratch, const dnnl::stream& stream) {
    dnnl_memory_set_data_handle(own.a.get(), const_cast<void*>(a));
    dnnl_memory_set_data_handle(own.b.get(), const_cast<void*>(b));
    dnnl_memory_set_data_handle(own.c.get(), c);
    dnnl_memory_set_data_handle(own.scratch.get(), scratch);
    const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, own.a.get()},
                                         {DNNL_ARG_WEIGHTS, own.b.get()},
                                         {DNNL_ARG_DST, own.c.get()},
                                         {DNNL_ARG_SCRATCHPAD, own.scratch.get()}};
    const dnnl_status_t status =
        dnnl_primitive_execute(call.primitive.get(), stream.get(), 4, arguments);
    core::require(status == dnnl_success, "oneDNN executes a product that it has compiled");
  }

  std::vector<Call> calls_;
  std::size_t scratch_bytes_ = 0;
  std::size_t b_bytes_ = 0;
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
      if (buffer.bytes() < bytes) renew(buffer, bytes);
    }
  }

  /// Contents need not survive, so the old memory goes before the new comes.
  static void renew(core::Buffer& buffer, std::size_t bytes) {
    buffer = core::Buffer();
    buffer = core::Buffer(core::kCpu, bytes);
  }

  struct PerThread {
    dnnl::stream stream;
    core::Buffer scratch;    // oneDNN's
    core::Buffer workspace;  // ours
  };
  dnnl::engine engine = make_engine();
  std::vector<PerThread> per_thread;  // one per pool thread: no thread touches another's
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
    found = std::make_unique<Kernel>(shape, state_->engine,
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

std::size_t Gemm::bytes() const {
  std::size_t sum = 0;
  for (const State::PerThread& own : state_->per_thread) {
    sum += own.scratch.bytes() + own.workspace.bytes();
  }
  return sum;
}

const char* Gemm::bf16_unit() {
  if (!has_bf16() || !onednn_has(dnnl::cpu_isa::avx512_core_bf16)) return "";
  return onednn_has(dnnl::cpu_isa::avx512_core_amx) ? "AMX" : "AVX512-BF16";
}

}  // namespace epi::kernels::cpu
