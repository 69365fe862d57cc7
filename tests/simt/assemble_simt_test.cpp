// Batches made by the CUDA kernel on an emulated device: the integers of the CPU, for windows of
// any length and under any order of threads; and what it does with samples that it should never
// get.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "kernels/assemble_job.hpp"
#include "kernels/cuda/assemble.hpp"
#include "kernels/device_ops.hpp"
#include "simt/device_array.hpp"
#include "simt/machine.hpp"

namespace epi::testing {
namespace {

using kernels::Ops;

Ops& cpu_ops() {
  static const auto ops = kernels::make_cpu_ops(1);
  return *ops;
}

/// Each call runs its threads in another order.
Ops& cuda_ops() {
  static kernels::DeviceOps ops(kernels::make_cuda_ops(), [seed = std::uint64_t{0}]() mutable {
    kernels::simt::twin::set_seed(seed++);
  });
  return ops;
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
    EXPECT_TRUE(assembled(job, samples, cuda_ops()) == assembled(job, samples, cpu_ops()))
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
  const TokenSpec spec{6, 6, 64};
  std::vector<SampleRef> bad(5);
  bad[0].window.segment = 1;
  bad[1].window.segment = -1;
  bad[2].window.offset_bp = 1000 - spec.window_bp() + 1;
  bad[3].window.offset_bp = -1;
  bad[4].cell = 1;
  const DeviceArray<core::SegmentView> segments(
      std::vector<core::SegmentView>{{.length_bp = 1000, .bases = nullptr, .states = nullptr}});
  const core::CorpusView corpus{segments.span(), 1, kStates, 200};
  const DeviceArray<StepState> state(std::vector<StepState>(1));
  const DeviceArray<std::int32_t> tokens(std::vector<std::int32_t>(64)), types(tokens.values());
  const DeviceArray<std::int64_t> counts(std::vector<std::int64_t>(kernels::kNumCounts));
  const auto ops = kernels::make_cuda_ops();
  core::Stream stream(kGpu);
  for (const SampleRef& sample : bad) {
    const DeviceArray<SampleRef> samples(std::span<const SampleRef>(&sample, 1));
    const AssembleArgs args{.corpus = &corpus,
                            .samples = samples.span(),
                            .tokens = spec,
                            .masks = no_masks(),
                            .state = state.data(),
                            .token_ids = tokens.view({1, 64}),
                            .type_ids = types.view({1, 64}),
                            .dna_rows = {},
                            .dna_labels = {},
                            .dna_weights = {},
                            .state_rows = {},
                            .state_labels = {},
                            .state_weights = {},
                            .counts = counts.view({kernels::kNumCounts})};
    EXPECT_THROW(ops->assemble(args, stream), core::LogicError);
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
