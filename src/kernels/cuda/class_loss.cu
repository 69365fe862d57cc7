// Softmax cross-entropy. A row of logits is read once, kept in shared memory as it is, and
// overwritten once by its gradient; exponentials are made twice, which is cheaper than to keep them
// in float. A block has a row, or a warp where classes are few. Bound by memory. Rows may begin at
// any element (those of 4,101 classes in bf16 do): the few elements before the first and after the
// last 16 bytes are held one a thread. Totals come from the results of rows, added in double by one
// block in fixed order.
#include "kernels/cuda/class_loss.hpp"

#include <bit>

#include "kernels/cuda/cuda_kernels.hpp"
#include "kernels/cuda/scratch.hpp"
#include "kernels/cuda/sums.cuh"
#include "simt/simt.cuh"

namespace epi::kernels::cuda {
namespace {

using core::BFloat16;
using simt::Words;

constexpr float kLog2E = 1.44269504088896340736F;

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

/// The elements of 16 bytes as floats.
template <class T>
struct Element;
template <>
struct Element<float> {
  static constexpr int kPerWords = 4;
  __device__ static float get(const Words& words, int i) {
    return std::bit_cast<float>(words.w[i]);
  }
  __device__ static void set_pair(Words& words, int i, float first, float second) {
    words.w[i] = std::bit_cast<std::uint32_t>(first);
    words.w[i + 1] = std::bit_cast<std::uint32_t>(second);
  }
  /// exp(logit - top).
  __device__ static float exponential(float logit, float top) { return expf(logit - top); }
};
template <>
struct Element<BFloat16> {
  static constexpr int kPerWords = 8;
  __device__ static float get(const Words& words, int i) {
    return i % 2 == 0 ? simt::low_half(words.w[i / 2]) : simt::high_half(words.w[i / 2]);
  }
  __device__ static void set_pair(Words& words, int i, float first, float second) {
    words.w[i / 2] = simt::pack_bf16(first, second);
  }
  /// What bf16 has no digits for need not be exact; the exponential of 0 is.
  __device__ static float exponential(float logit, float top) {
    return simt::exp2_fast((logit - top) * kLog2E);
  }
};

/// The threads that have a row, and how they agree.
template <RowPlan kPlan>
struct Team {
  static constexpr bool kIsBlock = kPlan != RowPlan::warp;
  std::byte* room;  // kTeamBytes; of blocks only

  __device__ static int index() { return kIsBlock ? simt::thread() : simt::lane(); }
  __device__ static int size() { return kIsBlock ? simt::num_threads() : simt::kWarp; }
  __device__ static void sync() {
    if constexpr (kIsBlock) {
      simt::sync_block();
    } else {
      simt::sync_warp();
    }
  }
  /// combine over all threads, in all of them, in the same order every time. Calls in turn take
  /// `use` 0 and 1, so that none has to wait for the readers of the one before.
  template <class V, class Combine>
  __device__ V over_all(V value, int use, Combine combine) const {
    for (int mask = simt::kWarp / 2; mask > 0; mask /= 2) {
      value = combine(value, simt::shuffle_xor(value, mask));
    }
    if constexpr (kIsBlock) {
      static_assert(sizeof(V) == sizeof(float));
      V* of_warps = reinterpret_cast<V*>(room) + use * simt::kWarp;
      if (simt::lane() == 0) of_warps[simt::warp()] = value;
      simt::sync_block();
      value = of_warps[0];
      for (int w = 1; w < simt::num_warps(); ++w) value = combine(value, of_warps[w]);
    }
    return value;
  }
};
constexpr std::size_t kTeamBytes = 2 * simt::kWarp * sizeof(float);

/// A row in memory: `head` elements, then `vectors` times 16 bytes, then the rest.
template <class T>
struct RowPlace {
  static constexpr int kPer = Element<T>::kPerWords;
  T* first;
  std::int32_t classes;
  std::int32_t head;
  std::int32_t vectors;

  __device__ RowPlace(T* row, std::int64_t count)
      : first(row), classes(static_cast<std::int32_t>(count)) {
    const auto past = static_cast<std::int32_t>(reinterpret_cast<std::uintptr_t>(row) %
                                                sizeof(Words) / sizeof(T));
    head = past == 0 ? 0 : kPer - past;
    if (head > classes) head = classes;
    vectors = (classes - head) / kPer;
  }
  /// Place of 16-byte vector `v`.
  __device__ std::int32_t element(std::int32_t v) const { return head + v * kPer; }
  /// The element outside of the vectors that is thread `t`'s, or -1: at most 14 threads have one.
  __device__ std::int32_t edge(std::int32_t t) const {
    if (t < head) return t;
    const std::int32_t at = element(vectors) + (t - head);
    return at < classes ? at : -1;
  }
};

/// A thread's share of a row: every size()th vector, and maybe an element of the edges.
template <class T, RowPlan kPlan>
class RowShare {
 public:
  static constexpr int kPer = Element<T>::kPerWords;

  /// Reads the row. `kept` has room for its vectors, of which each thread uses its own only.
  __device__ RowShare(const RowPlace<T>& place, Words* kept)
      : place_(place), kept_(kept), edge_at_(place.edge(Team<kPlan>::index())) {
    edge_ = edge_at_ < 0 ? -INFINITY : simt::widen(place.first[edge_at_]);
    if constexpr (kPlan != RowPlan::block_rereads) {
      for (std::int32_t v = Team<kPlan>::index(); v < place_.vectors; v += Team<kPlan>::size()) {
        simt::copy_async(kept_ + v, place_.first + place_.element(v));
      }
      simt::commit_copies();
      simt::wait_copies<0>();
    }
  }

  __device__ float largest() const {
    float top = edge_;
    each_vector([&](const Words& words, std::int32_t) {
      for (int j = 0; j < kPer; ++j) top = fmaxf(top, Element<T>::get(words, j));
    });
    return top;
  }

  __device__ float sum_of_exponentials(float top) const {
    float sum = edge_at_ < 0 ? 0.0F : Element<T>::exponential(edge_, top);
    each_vector([&](const Words& words, std::int32_t) {
      for (int j = 0; j < kPer; ++j) sum += Element<T>::exponential(Element<T>::get(words, j), top);
    });
    return sum;
  }

  /// The lowest place of `top`, or `nowhere`.
  __device__ std::int32_t first_of(float top, std::int32_t nowhere) const {
    std::int32_t lowest = edge_at_ >= 0 && edge_ == top ? edge_at_ : nowhere;
    each_vector([&](const Words& words, std::int32_t v) {
      for (int j = 0; j < kPer; ++j) {
        const std::int32_t at = place_.element(v) + j;
        if (Element<T>::get(words, j) == top && at < lowest) lowest = at;
      }
    });
    return lowest;
  }

  /// Overwrites the row by factor * exp(logit - top).
  __device__ void store_gradient(float factor, float top) const {
    each_vector([&](const Words& words, std::int32_t v) {
      Words out;
      for (int j = 0; j < kPer; j += 2) {
        Element<T>::set_pair(out, j,
                             factor * Element<T>::exponential(Element<T>::get(words, j), top),
                             factor * Element<T>::exponential(Element<T>::get(words, j + 1), top));
      }
      simt::store_words(place_.first + place_.element(v), out);
    });
    if (edge_at_ < 0) return;
    place_.first[edge_at_] = simt::narrow<T>(factor * Element<T>::exponential(edge_, top));
  }

 private:
  /// Calls use(words, v) for each of the thread's vectors.
  template <class Use>
  __device__ void each_vector(Use use) const {
    for (std::int32_t v = Team<kPlan>::index(); v < place_.vectors; v += Team<kPlan>::size()) {
      if constexpr (kPlan == RowPlan::block_rereads) {
        use(simt::load_words(place_.first + place_.element(v)), v);
      } else {
        use(simt::load_words(kept_ + v), v);
      }
    }
  }

  const RowPlace<T>& place_;
  Words* kept_;
  std::int32_t edge_at_;
  float edge_;
};

/// Whatever an unused slot holds, NaN too, its gradient is 0.
template <class T, RowPlan kPlan>
__device__ void clear_row(const RowPlace<T>& place) {
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
  const RowPlace<T> place(p.logits + m * p.columns, p.classes);
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
