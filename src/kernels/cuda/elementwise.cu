// Sums and changes of type over flat arrays. Bound by memory.
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/flat_loops.cuh"

namespace epi::kernels::cuda {
namespace {

struct Combine {
  const float* a;
  const float* b;
  float* out;  ///< may be a or b
  template <bool kWhole>
  __device__ void operator()(std::int64_t first, int count) const {
    float left[kEight], right[kEight];
    load_floats<kWhole>(a + first, 0, count, left);
    load_floats<kWhole>(b + first, 0, count, right);
#pragma unroll
    for (int j = 0; j < kEight; ++j) left[j] += right[j];
    store_floats<kWhole>(out + first, 0, count, left);
  }
};

/// Between f32 and bf16.
template <class From, class To>
struct Convert {
  const From* in;
  To* out;
  template <bool kWhole>
  __device__ void operator()(std::int64_t first, int count) const {
    float values[kEight];
    load_floats<kWhole>(in + first, 0, count, values);
    store_floats<kWhole>(out + first, 0, count, values);
  }
};

/// Totals, a handful: not worth more.
__global__ void combine_doubles_kernel(const double* a, const double* b, double* out,
                                       std::int64_t count) {
  const std::int64_t i = std::int64_t{simt::block_x()} * simt::num_threads() + simt::thread();
  if (i < count) out[i] = a[i] + b[i];
}

/// Likewise counters.
__global__ void count_to_double_kernel(const std::int64_t* in, double* out, std::int64_t count) {
  const std::int64_t i = std::int64_t{simt::block_x()} * simt::num_threads() + simt::thread();
  if (i < count) out[i] = static_cast<double>(in[i]);
}

template <class From, class To>
void convert_floats(const ConvertArgs& args, const Context& context) {
  const Convert<From, To> job{args.in.as<From>(), args.out.as<To>()};
  for_eights(job, args.in.size(), are_aligned(job.in, job.out), context.stream);
}

}  // namespace

void combine(const CombineArgs& args, const Context& context) {
  if (args.a.dtype() == core::DType::f64) {
    const Launch launch{.grid_x = blocks_for(args.a.size(), kFlatThreads), .threads = kFlatThreads};
    simt::launch(combine_doubles_kernel, launch, context.stream, args.a.as<double>(),
                 args.b.as<double>(), args.out.as<double>(), args.a.size());
    return;
  }
  const Combine job{args.a.as<float>(), args.b.as<float>(), args.out.as<float>()};
  for_eights(job, args.a.size(), are_aligned(job.a, job.b, job.out), context.stream);
}

void convert(const ConvertArgs& args, const Context& context) {
  if (args.in.dtype() == core::DType::f32) {
    convert_floats<float, core::BFloat16>(args, context);
  } else if (args.in.dtype() == core::DType::bf16) {
    convert_floats<core::BFloat16, float>(args, context);
  } else {
    const Launch launch{.grid_x = blocks_for(args.in.size(), kFlatThreads),
                        .threads = kFlatThreads};
    simt::launch(count_to_double_kernel, launch, context.stream, args.in.as<std::int64_t>(),
                 args.out.as<double>(), args.in.size());
  }
}

}  // namespace epi::kernels::cuda
