// The sum of squares of a gradient, in double: each block leaves that of a chunk of fixed size, one
// block adds the chunks in fixed order. An element's place in its chunk decides which thread takes
// it, so bits depend neither on the device nor on where the array begins. Bound by memory.
#include <bit>

#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/sums.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::size_t kRoom = kThreads / simt::kWarp * sizeof(double);  // of a sum over a block
constexpr int kPerWords = 4;
constexpr int kRounds = 8;
constexpr std::int64_t kElementsOfRound = kThreads * kPerWords;
constexpr std::int64_t kElementsOfBlock = kElementsOfRound * kRounds;

struct SumSquaresParams {
  const float* in;
  std::int64_t count;
  double* parts;  // [blocks]
};

/// Adds the squares of elements i..i+3, as far as there are so many, to four sums.
template <bool kAligned>
__device__ void add_squares(const SumSquaresParams& p, std::int64_t i, double (&sums)[kPerWords]) {
  if (kAligned && i + kPerWords <= p.count) {
    const simt::Words words = simt::load_words(p.in + i);
    for (int j = 0; j < kPerWords; ++j) {
      const double value = std::bit_cast<float>(words.w[j]);
      sums[j] += value * value;
    }
    return;
  }
  for (int j = 0; j < kPerWords; ++j) {
    const double value = i + j < p.count ? p.in[i + j] : 0.0F;
    sums[j] += value * value;
  }
}

template <bool kAligned>
__global__ void __launch_bounds__(kThreads) sum_squares_of_chunks(SumSquaresParams p) {
  const std::int64_t first = simt::block_x() * kElementsOfBlock + simt::thread() * kPerWords;
  double sums[kPerWords] = {};
  for (int round = 0; round < kRounds; ++round) {
    add_squares<kAligned>(p, first + round * kElementsOfRound, sums);
  }
  const double sum = block_sum((sums[0] + sums[1]) + (sums[2] + sums[3]),
                               reinterpret_cast<double*>(simt::shared()));
  if (simt::thread() == 0) p.parts[simt::block_x()] = sum;
}

struct AddPartsParams {
  const double* parts;
  std::int64_t count;
  double* out;
};

__global__ void __launch_bounds__(kThreads) add_parts(AddPartsParams p) {
  double mine = 0.0;
  for (std::int64_t i = simt::thread(); i < p.count; i += simt::num_threads()) mine += p.parts[i];
  const double sum = block_sum(mine, reinterpret_cast<double*>(simt::shared()));
  if (simt::thread() == 0) *p.out = sum;
}

}  // namespace

void sum_squares(const SumSquaresArgs& args, const Context& context) {
  const std::int64_t count = args.in.size();
  const std::uint32_t blocks = blocks_for(count, kElementsOfBlock);
  context.scratch.begin(Scratch::bytes<double>(blocks));
  auto* parts = context.scratch.take<double>(blocks);
  const SumSquaresParams params{args.in.as<float>(), count, parts};
  const bool aligned = reinterpret_cast<std::uintptr_t>(params.in) % sizeof(simt::Words) == 0;
  simt::launch(aligned ? sum_squares_of_chunks<true> : sum_squares_of_chunks<false>,
               {.grid_x = blocks, .threads = kThreads, .shared_bytes = kRoom}, context.stream,
               params);
  const AddPartsParams adding{parts, blocks, args.out.as<double>()};
  simt::launch(add_parts, {.threads = kThreads, .shared_bytes = kRoom}, context.stream, adding);
}

}  // namespace epi::kernels::cuda
