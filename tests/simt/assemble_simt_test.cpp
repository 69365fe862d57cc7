// Batches made by the CUDA kernel on an emulated device: the integers of the CPU, for windows of
// any length and under any order of threads; and what it does with samples that it should never
// get.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "kernels/assemble_job.hpp"
#include "kernels/cuda/assemble.hpp"
#include "kernels/masking.hpp"
#include "simt/machine.hpp"

namespace epi::testing {
namespace {

using kernels::Ops;

constexpr core::Device kGpu{core::DeviceKind::cuda, 0};

Ops& cpu_ops() {
  static const auto ops = kernels::make_cpu_ops(1);
  return *ops;
}
Ops& cuda_ops() {
  static const auto ops = kernels::make_cuda_ops();
  return *ops;
}

/// An emulated device's memory is the host's, so arrays may lie anywhere; only views name it.
View on_gpu(const View& view) {
  if (view.size() == 0) return {};
  const bool is_list = view.rank() == 1;
  return is_list ? View(view.raw(), view.dtype(), {view.shape(0)}, kGpu)
                 : View(view.raw(), view.dtype(), {view.shape(0), view.shape(1)}, kGpu);
}

AssembleArgs on_gpu(AssembleArgs args) {
  for (View* view :
       {&args.token_ids, &args.type_ids, &args.dna_rows, &args.dna_labels, &args.dna_weights,
        &args.state_rows, &args.state_labels, &args.state_weights, &args.counts}) {
    *view = on_gpu(*view);
  }
  return args;
}

Batch by_kernel(const Job& job, std::span<const SampleRef> samples) {
  core::Stream stream(kGpu);
  return assemble(job, samples,
                  [&](const AssembleArgs& args) { cuda_ops().assemble(on_gpu(args), stream); });
}

Batch by_cpu(const Job& job, std::span<const SampleRef> samples) {
  core::Stream stream(core::kCpu);
  return assemble(job, samples,
                  [&](const AssembleArgs& args) { cpu_ops().assemble(args, stream); });
}

/// The defaults, most things hidden in short spans, and both ways with repeats.
std::array<MaskSpec, 4> mask_specs() {
  std::array<MaskSpec, 4> specs{};
  specs[1].dna_rate = specs[1].state_rate = 0.9F;
  specs[1].state_span_bins = 1.5F;
  specs[1].mask_share = specs[1].random_share = 0.4F;
  specs[2].span_bases = 7;
  specs[2].random_share = 0.2F;
  specs[2].repeats = kernels::Repeats::downweight;
  specs[3].repeats = kernels::Repeats::exclude;
  specs[3].state_dropout = 0.5F;
  return specs;
}

void expect_same(const Genome& genome, const TokenSpec& spec, int windows, unsigned seed) {
  for (const MaskSpec& masks : mask_specs()) {
    Job job{genome, spec, masks};
    job.state.seed = seed;
    job.state.first_slot = (std::uint64_t{1} << 32U) - 2;
    const auto samples = random_samples(genome, spec, windows, seed);
    kernels::simt::twin::set_seed(seed);
    EXPECT_TRUE(by_kernel(job, samples) == by_cpu(job, samples))
        << spec.k << "-mers every " << spec.stride << ", " << spec.length << " tokens, seed "
        << seed;
  }
}

TEST(AssembleKernel, long_windows_have_the_integers_of_the_cpu) {
  for (const std::int32_t bin_bp : {50, 200}) {
    const Genome genome(bin_bp);
    for (const TokenSpec& spec :
         {TokenSpec{1, 1, 8192}, TokenSpec{6, 1, 8192}, TokenSpec{2, 2, 4097},
          TokenSpec{8, 3, 2048}, TokenSpec{6, 6, 1024}}) {
      expect_same(genome, spec, 2, 5);
    }
  }
}

TEST(AssembleKernel, any_order_of_threads_gives_the_integers_of_the_cpu) {
  const Genome genome(200);
  for (unsigned seed = 0; seed < 20; ++seed) {
    expect_same(genome, {6, 6, 256}, 4, seed);
    expect_same(genome, {4, 2, 131}, 4, seed);
    expect_same(genome, {3, 1, 34}, 4, seed);
  }
}

TEST(AssembleKernel, bins_narrower_than_tokens_have_the_integers_of_the_cpu) {
  for (const std::int32_t bin_bp : {1, 4, 7}) {
    expect_same(Genome(bin_bp), {6, 6, 300}, 3, 11);
    expect_same(Genome(bin_bp), {5, 3, 300}, 3, 12);
  }
}

TEST(AssembleKernel, sample_that_no_check_has_seen_ends_the_kernel) {
  const Genome genome(200);
  const Job job{genome, {6, 6, 64}, MaskSpec{}};
  std::vector<SampleRef> bad(5);
  bad[0].window.segment = 2;
  bad[1].window.segment = -1;
  bad[2].window.offset_bp = 20011 - job.spec.window_bp() + 1;
  bad[3].window.offset_bp = -1;
  bad[4].cell = kCells;
  for (const SampleRef& sample : bad) {
    EXPECT_THROW((void)by_kernel(job, {&sample, 1}), core::LogicError);
  }
}

TEST(AssembleKernel, longest_windows_fit_the_shared_memory_of_any_device) {
  constexpr std::size_t kWithoutOptIn = 48 * 1024;
  for (const MaskSpec& masks : mask_specs()) {
    for (const TokenSpec& spec : {TokenSpec{1, 1, 8192}, TokenSpec{6, 6, 8192}}) {
      const auto shape = kernels::cuda::assemble_shape(spec, masks, 200);
      const auto launch = kernels::cuda::assemble_launch(77, spec, shape);
      EXPECT_EQ(launch.grid_x, 77U);
      EXPECT_EQ(launch.threads, 512U);
      EXPECT_LE(launch.shared_bytes, kWithoutOptIn);
    }
  }
  const TokenSpec few{6, 6, 37};
  const auto shape = kernels::cuda::assemble_shape(few, MaskSpec{}, 200);
  EXPECT_EQ(kernels::cuda::assemble_launch(1, few, shape).threads, 64U) << "35 tokens: two warps";
}

}  // namespace
}  // namespace epi::testing
