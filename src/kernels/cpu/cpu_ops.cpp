// Forwards each op; see the header. Work is finished when a call returns, so streams carry nothing.
#include "kernels/cpu/cpu_ops.hpp"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/isa.hpp"

namespace epi::kernels {
namespace cpu {
namespace {

int affinity_threads() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0) return std::max(1, CPU_COUNT(&mask));
  // More processors than cpu_set_t holds: ask the standard library.
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

}  // namespace

int default_threads() {
  const char* text = std::getenv("OMP_NUM_THREADS");      // NOLINT(concurrency-mt-unsafe): at start
  const int cap = text != nullptr ? std::atoi(text) : 0;  // "4,2" means 4; nonsense is 0: no cap
  return cap > 0 ? std::min(cap, affinity_threads()) : affinity_threads();
}

CpuOps::CpuOps(int threads)
    : pool_(threads),
      gemm_(threads),
      description_(
          fmt::format("{}, {} thread{}", name_of(isa()), threads, threads == 1 ? "" : "s")) {}

bool CpuOps::takes(core::DType activations) const {
  return activations == core::DType::f32 ||
         (activations == core::DType::bf16 && *Gemm::bf16_unit() != '\0');
}

const char* CpuOps::bf16_unit() const {
  return Gemm::bf16_unit();
}

std::size_t CpuOps::scratch_bytes() const {
  return pool_.scratch_bytes() + gemm_.bytes();
}

void CpuOps::do_assemble(const AssembleArgs& args, Stream&) {
  cpu::assemble(args, pool_);
}
void CpuOps::do_embed(const EmbedArgs& args, Stream&) {
  cpu::embed(args, pool_);
}
void CpuOps::do_embed_grad(const EmbedGradArgs& args, Stream&) {
  cpu::embed_grad(args, pool_);
}
void CpuOps::do_linear(const LinearArgs& args, Stream&) {
  cpu::linear(args, pool_, gemm_);
}
void CpuOps::do_linear_grad_input(const LinearGradInputArgs& args, Stream&) {
  cpu::linear_grad_input(args, pool_, gemm_);
}
void CpuOps::do_linear_grad_weight(const LinearGradWeightArgs& args, Stream&) {
  cpu::linear_grad_weight(args, pool_, gemm_);
}
void CpuOps::do_attend(const AttendArgs& args, Stream&) {
  cpu::attend(args, pool_, gemm_);
}
void CpuOps::do_attend_grad(const AttendGradArgs& args, Stream&) {
  cpu::attend_grad(args, pool_, gemm_);
}
void CpuOps::do_add_norm(const AddNormArgs& args, Stream&) {
  cpu::add_norm(args, pool_);
}
void CpuOps::do_add_norm_grad(const AddNormGradArgs& args, Stream&) {
  cpu::add_norm_grad(args, pool_);
}
void CpuOps::do_gather_rows(const GatherRowsArgs& args, Stream&) {
  cpu::gather_rows(args, pool_);
}
void CpuOps::do_scatter_rows(const ScatterRowsArgs& args, Stream&) {
  cpu::scatter_rows(args, pool_);
}
void CpuOps::do_activate(const ActivateArgs& args, Stream&) {
  cpu::activate(args, pool_);
}
void CpuOps::do_activate_grad(const ActivateGradArgs& args, Stream&) {
  cpu::activate_grad(args, pool_);
}
void CpuOps::do_class_loss(const ClassLossArgs& args, Stream&) {
  cpu::class_loss(args, pool_);
}
void CpuOps::do_value_loss(const ValueLossArgs& args, Stream&) {
  cpu::value_loss(args, pool_);
}
void CpuOps::do_combine(const CombineArgs& args, Stream&) {
  cpu::combine(args, pool_);
}
void CpuOps::do_convert(const ConvertArgs& args, Stream&) {
  cpu::convert(args, pool_);
}
void CpuOps::do_sum_squares(const SumSquaresArgs& args, Stream&) {
  cpu::sum_squares(args, pool_);
}
void CpuOps::do_begin_step(const BeginStepArgs& args, Stream&) {
  cpu::begin_step(args);
}
void CpuOps::do_update(const UpdateArgs& args, Stream&) {
  cpu::update(args, pool_);
}

}  // namespace cpu

const char* cpu_instruction_set() {
  return cpu::name_of(cpu::isa_so_far());
}

void limit_cpu_instruction_set(const std::string& most) {
  for (const cpu::Isa level : {cpu::Isa::base, cpu::Isa::v3, cpu::Isa::v4}) {
    if (most == cpu::name_of(level)) return cpu::limit_isa(level);
  }
  core::require(false, "an instruction set has a name that cpu_instruction_set gives");
}

std::unique_ptr<Ops> make_cpu_ops(int threads) {
  core::require(threads >= 0, "a number of threads, or 0 for all");
  return std::make_unique<cpu::CpuOps>(threads == 0 ? cpu::default_threads() : threads);
}

}  // namespace epi::kernels
