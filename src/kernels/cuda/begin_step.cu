// What a step begins with, on the device: the counts of the step's targets and of the steps applied
// are known there first. A handful of numbers; the arithmetic is that of all back ends.
#include "kernels/begin_step.hpp"

#include "kernels/cuda/cuda_kernels.hpp"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

struct BeginStepParams {
  StepBeginning beginning;
  const double* targets;
  const std::int64_t* updates;
  StepState* states;
  int count;
};

__global__ void begin_step_kernel(BeginStepParams p) {
  for (int i = simt::thread(); i < p.count; i += simt::num_threads()) {
    kernels::begin_step(p.beginning, p.targets, *p.updates, p.states[i]);
  }
}

}  // namespace

void begin_step(const BeginStepArgs& args, const Context& context) {
  const BeginStepParams params{{args.term_weights, args.weight_in_repeats, args.beta1, args.beta2},
                               args.targets.as<double>(),
                               args.updates.as<std::int64_t>(),
                               args.states.data(),
                               static_cast<int>(args.states.size())};
  simt::launch(begin_step_kernel, {.threads = simt::kWarp}, context.stream, params);
}

}  // namespace epi::kernels::cuda
