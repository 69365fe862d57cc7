// Squared error and binary cross-entropy. A value is a scalar in double, as on the CPU: there are
// few of them beside the activations that they come from. Each block leaves the totals of a piece
// of fixed size, which one block adds in fixed order.
#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/sums.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::size_t kRoom = kThreads / simt::kWarp * sizeof(double);  // of a sum over a block
constexpr std::int64_t kValuesOfBlock = 2048;

struct Totals {
  double loss;
  double weight;
};

struct ValueLossParams {
  ValueLoss loss;
  float* predictions;
  const float* targets;
  const float* weights;
  const StepState* state;
  int term;
  std::int64_t count;
  Totals* parts;  // [blocks]
};

struct ValueAndSlope {
  double value, slope;
};

/// The loss and its derivative in the prediction. Cross-entropy is log(1 + e^p) - t p with e^-|p|,
/// which can't overflow.
__device__ ValueAndSlope loss_of(ValueLoss loss, double prediction, double target) {
  if (loss == ValueLoss::squared_error) {
    const double difference = prediction - target;
    return {difference * difference, 2.0 * difference};
  }
  const double decay = exp(-fabs(prediction));
  const double softplus = (prediction < 0.0 ? 0.0 : prediction) + log1p(decay);
  const double sigmoid = (prediction >= 0.0 ? 1.0 : decay) / (1.0 + decay);
  return {softplus - target * prediction, sigmoid - target};
}

__global__ void __launch_bounds__(kThreads) value_loss_kernel(ValueLossParams p) {
  const double scale = p.state->loss_scale[static_cast<std::size_t>(p.term)];
  const std::int64_t begin = simt::block_x() * kValuesOfBlock;
  const std::int64_t rest = p.count - begin;
  const std::int64_t end = begin + (rest < kValuesOfBlock ? rest : kValuesOfBlock);
  Totals mine{};
  for (std::int64_t i = begin + simt::thread(); i < end; i += kThreads) {
    const double weight = p.weights[i];
    const ValueAndSlope found = loss_of(p.loss, p.predictions[i], p.targets[i]);
    p.predictions[i] = weight == 0.0 ? 0.0F : static_cast<float>(weight * scale * found.slope);
    if (weight == 0.0) continue;  // whatever it holds, NaN too
    mine.loss += weight * found.value;
    mine.weight += weight;
  }
  auto* room = reinterpret_cast<double*>(simt::shared());
  const double loss = block_sum(mine.loss, room);
  const double weight = block_sum(mine.weight, room);
  if (simt::thread() == 0) p.parts[simt::block_x()] = {loss, weight};
}

struct TotalsParams {
  const Totals* parts;
  std::int64_t count;
  double* totals;
};

__global__ void __launch_bounds__(kThreads) value_loss_totals(TotalsParams p) {
  Totals mine{};
  for (std::int64_t i = simt::thread(); i < p.count; i += simt::num_threads()) {
    mine.loss += p.parts[i].loss;
    mine.weight += p.parts[i].weight;
  }
  auto* room = reinterpret_cast<double*>(simt::shared());
  const double loss = block_sum(mine.loss, room);
  const double weight = block_sum(mine.weight, room);
  if (simt::thread() != 0) return;
  p.totals[0] += loss;
  p.totals[1] += weight;
}

}  // namespace

void value_loss(const ValueLossArgs& args, const Context& context) {
  const std::int64_t count = args.predictions.size();
  const std::uint32_t blocks = blocks_for(count, kValuesOfBlock);
  context.scratch.begin(Scratch::bytes<Totals>(blocks));
  auto* parts = context.scratch.take<Totals>(blocks);
  const ValueLossParams params{args.loss,
                               args.predictions.as<float>(),
                               args.targets.as<float>(),
                               args.weights.as<float>(),
                               args.state,
                               static_cast<int>(args.term),
                               count,
                               parts};
  simt::launch(value_loss_kernel, {.grid_x = blocks, .threads = kThreads, .shared_bytes = kRoom},
               context.stream, params);
  const TotalsParams totals{parts, blocks, args.totals.as<double>()};
  simt::launch(value_loss_totals, {.threads = kThreads, .shared_bytes = kRoom}, context.stream,
               totals);
}

}  // namespace epi::kernels::cuda
