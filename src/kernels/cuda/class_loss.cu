// Softmax cross-entropy. A row of logits is read once, kept in shared memory as it is, and
// overwritten once by its gradient; exponentials are made twice, which is cheaper than to keep them
// in float. A block has a row, or a warp where classes are few. Bound by memory. Rows may begin at
// any element (those of 4,101 classes in bf16 do): the few elements before the first and after the
// last 16 bytes are held one a thread. Totals come from the results of rows, added in double by one
// block in fixed order.
#include "kernels/cuda/class_loss.hpp"

#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/logit_rows.cuh"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/sums.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

struct RowResult {
  double loss;
  std::int32_t correct;
};

template <class T>
struct ClassLossParams {
  T* logits;
  const std::int32_t* labels;
  const float* weights;
  const StepState* state;
  int term;
  std::int64_t rows;
  std::int64_t columns;  // from row to row; what lies past the classes is padding
  std::int64_t classes;
  std::int64_t vectors;  // of a row in shared memory
  RowResult* results;
  float* row_loss;          // or null
  std::int32_t* predicted;  // or null
};

/// Whatever an unused slot holds, NaN too, its gradient is 0.
template <class T, RowPlan kPlan>
__device__ void clear_row(const LogitRow<T>& place) {
  for (std::int32_t v = Team<kPlan>::index(); v < place.vectors; v += Team<kPlan>::size()) {
    simt::store_words(place.first + place.element(v), {{0, 0, 0, 0}});
  }
  if (const std::int32_t at = place.edge(Team<kPlan>::index()); at >= 0) {
    place.first[at] = simt::narrow<T>(0.0F);
  }
}

/// What a row's threads found of it.
struct RowSums {
  float top;
  float sum;  // of exponentials
  std::int32_t best;
};

template <class T, RowPlan kPlan>
__device__ RowSums sums_of_row(const RowShare<T, kPlan>& share, const Team<kPlan>& team,
                               std::int32_t classes) {
  const float mine = share.largest();
  const float top = team.over_all(mine, 0, [](float a, float b) { return fmaxf(a, b); });
  const float sum =
      team.over_all(share.sum_of_exponentials(top), 1, [](float a, float b) { return a + b; });
  // Only those who have the largest look for its place.
  const std::int32_t found = mine == top ? share.first_of(top, classes) : classes;
  const std::int32_t best =
      team.over_all(found, 0, [](std::int32_t a, std::int32_t b) { return a < b ? a : b; });
  return {top, sum, best < classes ? best : 0};  // nowhere in a row with NaN
}

template <class T, RowPlan kPlan>
__device__ void loss_of_row(const ClassLossParams<T>& p, std::int64_t m, const Team<kPlan>& team,
                            Words* kept) {
  const LogitRow<T> place(p.logits + m * p.columns, p.classes);
  const std::int32_t label = p.labels[m];
  if (label < 0 || label >= place.classes) simt::trap();
  const float weight = p.weights[m];
  if (weight == 0.0F && p.row_loss == nullptr && p.predicted == nullptr) {
    clear_row<T, kPlan>(place);
    return;  // nobody reads its result
  }
  const float label_logit = simt::widen(place.first[label]);
  const RowShare<T, kPlan> share(place, kept);
  const RowSums row = sums_of_row(share, team, place.classes);
  const float scale = weight * p.state->loss_scale[static_cast<std::size_t>(p.term)];
  const float factor = scale / row.sum;
  team.sync();  // label logits have been read
  if (weight == 0.0F) {
    clear_row<T, kPlan>(place);
  } else {
    share.store_gradient(factor, row.top);
  }
  team.sync();
  if (team.index() != 0) return;
  if (weight != 0.0F) {
    // In float and rounded once: near a sure answer softmax - 1 is what the subtraction leaves.
    const float at_label = factor * Element<T>::exponential(label_logit, row.top) - scale;
    place.first[label] = simt::narrow<T>(at_label);
  }
  const double loss = double{row.top} - double{label_logit} + log(double{row.sum});
  p.results[m] = {loss, row.best == label ? 1 : 0};
  if (p.row_loss != nullptr) p.row_loss[m] = static_cast<float>(loss);
  if (p.predicted != nullptr) p.predicted[m] = row.best;
}

/// Rows of a block when warps have them, and most vectors of such a row.
constexpr int kRowsOfBlock = 4;
constexpr std::int64_t kVectorsOfWarp = 64;
constexpr std::uint32_t kFewestThreads = 128;
constexpr std::uint32_t kMostThreads = 1024;

template <class T>
__global__ void __launch_bounds__(kRowsOfBlock* simt::kWarp)
    class_loss_of_warps(ClassLossParams<T> p) {
  const std::int64_t m = std::int64_t{simt::block_x()} * kRowsOfBlock + simt::warp();
  if (m >= p.rows) return;
  auto* kept = reinterpret_cast<Words*>(simt::shared());
  loss_of_row(p, m, Team<RowPlan::warp>{nullptr}, kept + simt::warp() * p.vectors);
}

template <class T, RowPlan kPlan>
__global__ void __launch_bounds__(kMostThreads) class_loss_of_blocks(ClassLossParams<T> p) {
  loss_of_row(p, simt::block_x(), Team<kPlan>{simt::shared()},
              reinterpret_cast<Words*>(simt::shared() + kTeamBytes));
}

/// Threads of the block that adds up rows, and its room for one sum.
constexpr int kAddingThreads = 256;
constexpr std::size_t kAddingBytes = kAddingThreads / simt::kWarp * sizeof(double);

struct TotalsParams {
  const RowResult* results;
  const float* weights;
  std::int64_t rows;
  double* totals;
};

__global__ void __launch_bounds__(kAddingThreads) class_loss_totals(TotalsParams p) {
  double sums[3] = {};
  for (std::int64_t m = simt::thread(); m < p.rows; m += simt::num_threads()) {
    const double weight = p.weights[m];
    if (weight == 0.0) continue;
    const RowResult result = p.results[m];
    sums[0] += weight * result.loss;
    sums[1] += weight;
    sums[2] += result.correct != 0 ? weight : 0.0;
  }
  auto* room = reinterpret_cast<double*>(simt::shared());
  for (int i = 0; i < 3; ++i) {
    const double sum = block_sum(sums[i], room);
    if (simt::thread() == 0) p.totals[i] += sum;
  }
}

template <class T>
auto* kernel_of(RowPlan plan) {
  using Kernel = void(ClassLossParams<T>);
  if (plan == RowPlan::warp) return static_cast<Kernel*>(class_loss_of_warps<T>);
  if (plan == RowPlan::block) return static_cast<Kernel*>(class_loss_of_blocks<T, RowPlan::block>);
  return static_cast<Kernel*>(class_loss_of_blocks<T, RowPlan::block_rereads>);
}

template <class T>
void queue_rows(const ClassLossArgs& args, const Context& context, RowResult* results) {
  const std::int64_t rows = args.logits.shape(0);
  const std::int64_t columns = args.logits.shape(1);
  const std::int64_t classes = args.classes > 0 ? args.classes : columns;
  const ClassLossShape shape = class_loss_shape(rows, classes, sizeof(T), context.limits);
  const ClassLossParams<T> params{args.logits.as<T>(),
                                  args.labels.as<std::int32_t>(),
                                  args.weights.as<float>(),
                                  args.state,
                                  static_cast<int>(args.term),
                                  rows,
                                  columns,
                                  classes,
                                  shape.vectors,
                                  results,
                                  args.row_loss ? args.row_loss.as<float>() : nullptr,
                                  args.predicted ? args.predicted.as<std::int32_t>() : nullptr};
  simt::launch(kernel_of<T>(shape.plan), shape.launch, context.stream, params);
}

}  // namespace

ClassLossShape class_loss_shape(std::int64_t rows, std::int64_t classes, std::size_t element_bytes,
                                const DeviceLimits& limits) {
  const std::int64_t vectors =
      classes * static_cast<std::int64_t>(element_bytes) / static_cast<std::int64_t>(sizeof(Words));
  const std::size_t kept_bytes = static_cast<std::size_t>(vectors) * sizeof(Words);
  if (vectors <= kVectorsOfWarp) {
    return {RowPlan::warp,
            vectors,
            {.grid_x = blocks_for(rows, kRowsOfBlock),
             .threads = kRowsOfBlock * simt::kWarp,
             .shared_bytes = kRowsOfBlock * kept_bytes}};
  }
  // Small blocks wait less for each other; many of them are under way at once.
  constexpr std::int64_t kVectorsOfThread = 8;
  Launch launch{.grid_x = static_cast<std::uint32_t>(rows), .threads = kFewestThreads};
  while (vectors > kVectorsOfThread * launch.threads && launch.threads < kMostThreads) {
    launch.threads *= 2;
  }
  const bool fits = kTeamBytes + kept_bytes <= limits.shared_bytes;
  launch.shared_bytes = kTeamBytes + (fits ? kept_bytes : 0);
  return {fits ? RowPlan::block : RowPlan::block_rereads, fits ? vectors : 0, launch};
}

void class_loss(const ClassLossArgs& args, const Context& context) {
  const std::int64_t rows = args.logits.shape(0);
  context.scratch.begin(Scratch::bytes<RowResult>(rows));
  auto* results = context.scratch.take<RowResult>(rows);
  if (args.logits.dtype() == core::DType::f32) {
    queue_rows<float>(args, context, results);
  } else {
    queue_rows<BFloat16>(args, context, results);
  }
  const TotalsParams totals{results, args.weights.as<float>(), rows, args.totals.as<double>()};
  simt::launch(class_loss_totals, {.threads = kAddingThreads, .shared_bytes = kAddingBytes},
               context.stream, totals);
}

}  // namespace epi::kernels::cuda
