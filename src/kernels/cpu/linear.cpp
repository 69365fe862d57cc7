// linear and its two gradients, strip by strip: a task packs 64 columns of the weights, rounded to
// the type of activations, into its own second-level cache, multiplies them with chunks of rows,
// and finishes each chunk (bias, GELU, its derivative, add, rounding) while it lies there too. For
// the weight gradient x is packed by all threads first; a task then transposes 64 columns of dy
// into its cache and multiplies them with panels of x.
//
// Chunks and panels are fixed by shape, and with them all bits. How many of them make a task is
// not: strips are shared among tasks, each packing its own, where there are many threads.
#include <algorithm>
#include <array>

#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/cut.hpp"
#include "kernels/cpu/elements.hpp"
#include "kernels/cpu/gemm.hpp"
#include "kernels/cpu/gemm_loops.hpp"
#include "kernels/cpu/isa.hpp"
#include "kernels/cpu/packed.hpp"

namespace epi::kernels::cpu {
namespace {

// x, y, dy .. are as in ops.hpp; m, n, k are those of the product at hand, so k of linear is n of
// linear_grad_input.

// Rows of the result that share a packed strip: packing costs a share of about 16 / rows of the
// product. Rows multiplied at once: 32 KiB of results.
constexpr std::int64_t kTaskRows = 1024;
constexpr std::int64_t kChunkRows = 128;
// Columns of a weight gradient that are multiplied at once.
constexpr std::int64_t kPanelCols = 192;
// Fewer tasks than this leave threads idle at the end of a product.
constexpr std::int64_t kTasksOfThread = 4;

const GemmLoops& loops() {
  return pick(base::gemm_loops, v3::gemm_loops, v4::gemm_loops);
}

template <class T>
const Epilogues<T>& epilogues() {
  if constexpr (std::is_same_v<T, Bf16>) {
    return loops().half;
  } else {
    return loops().full;
  }
}

/// left [m, k] without gaps times weights, which are [out, in] in memory: transposed (k = in) for
/// y = x w^T, as they are (k = out) for dx = dy w.
template <class T>
struct WeightProduct {
  std::int64_t m, n, k;
  const T* left;
  const float* weights;
  bool transposed;

  /// Packs the weights of the columns from `begin` on.
  void pack(std::int64_t begin, std::int64_t end, T* to) const {
    const PackLoops<float, T>& loops = pack_loops<float, T>();
    for (std::int64_t col = begin; col < end; col += kColumnBlock) {
      const std::int64_t cols = std::min(kColumnBlock, end - col);
      T* block = to + (col - begin) * packed_depth(k, type_of<T>());
      if (transposed) {
        loops.columns(weights + col * k, k, k, cols, block);
      } else {
        loops.rows(weights + col, n, k, cols, block);
      }
    }
  }
};

/// Part of a result: `cols` columns of a strip, `rows` rows of them.
struct Chunk {
  std::int64_t row = 0, rows = 0, col = 0, cols = 0;
};

/// The kernels of full and last chunks of a result, by [last row of chunks][last column of chunks].
using ChunkKernels = std::array<std::array<const Gemm::Kernel*, 2>, 2>;

/// [m, k] [k, n] in chunks of at most `chunk_rows` x `chunk_cols`.
template <class T>
ChunkKernels kernels_of(std::int64_t m, std::int64_t chunk_rows, std::int64_t n,
                        std::int64_t chunk_cols, std::int64_t k, Gemm& gemm) {
  const auto last = [](std::int64_t total, std::int64_t size) { return (total - 1) % size + 1; };
  ChunkKernels kernels{};
  for (const bool last_row : {false, true}) {
    for (const bool last_col : {false, true}) {
      const std::int64_t cols = last_col ? last(n, chunk_cols) : std::min(n, chunk_cols);
      kernels[last_row][last_col] =
          &gemm.kernel({.m = last_row ? last(m, chunk_rows) : std::min(m, chunk_rows),
                        .n = cols,
                        .k = k,
                        .inputs = type_of<T>()});
    }
  }
  return kernels;
}

/// Asks for a chunk of a row-major matrix with `stride` columns to be brought into the second-level
/// cache, which happens while the processor multiplies. Rows of a chunk are too short for it to
/// foresee them; without this the epilogue of a product waits for memory longer than it computes.
template <class T>
void prefetch(const T* matrix, std::int64_t stride, const Chunk& chunk) {
  constexpr std::int64_t kLine = 64 / static_cast<std::int64_t>(sizeof(T));
  constexpr int kToRead = 0;
  constexpr int kSecondLevel = 2;
  if (matrix == nullptr) return;
  for (std::int64_t row = 0; row < chunk.rows; ++row) {
    const T* from = matrix + (chunk.row + row) * stride + chunk.col;
    for (std::int64_t col = 0; col < chunk.cols; col += kLine) {
      __builtin_prefetch(from + col, kToRead, kSecondLevel);
    }
  }
}

/// Rows that share a packed strip, in whole chunks: at most kTaskRows, fewer where there would be
/// less than kTasksOfThread tasks for each thread.
std::int64_t task_rows(std::int64_t rows, std::int64_t strips, int threads) {
  std::int64_t each = kTaskRows;
  while (each > kChunkRows && strips * Cut{rows, each}.count < kTasksOfThread * threads) each /= 2;
  return each;
}

/// Multiplies chunk by chunk. Calls foresee(chunk) before, and finish(from, chunk) with each
/// result, which lies without gaps at `from` in the thread's workspace.
template <class T, class Foresee, class Finish>
void each_chunk(const WeightProduct<T>& whole, Pool& pool, Gemm& gemm, const Foresee& foresee,
                const Finish& finish) {
  const std::int64_t width = kColumnBlock;
  const ChunkKernels kernels = kernels_of<T>(whole.m, kChunkRows, whole.n, width, whole.k, gemm);
  const std::int64_t kProduct = kChunkRows * width;
  const std::int64_t strip_size = packed_size(whole.k, width, type_of<T>());
  gemm.reserve(kProduct + strip_size * static_cast<std::int64_t>(sizeof(T)) / 4);
  const Cut strips{whole.n, width};
  const Cut rows{whole.m, task_rows(whole.m, strips.count, pool.threads())};
  pool.run(strips.count * rows.count, [&](std::int64_t task, int thread) {
    float* product = gemm.workspace(thread);
    T* strip = reinterpret_cast<T*>(product + kProduct);
    Chunk chunk;
    chunk.col = strips.begin(task / rows.count);
    chunk.cols = strips.end(task / rows.count) - chunk.col;
    const std::int64_t end = rows.end(task % rows.count);
    whole.pack(chunk.col, chunk.col + chunk.cols, strip);
    for (chunk.row = rows.begin(task % rows.count); chunk.row < end; chunk.row += kChunkRows) {
      chunk.rows = std::min(kChunkRows, end - chunk.row);
      foresee(chunk);
      const bool last_row = chunk.row + chunk.rows == whole.m;
      const bool last_col = chunk.col + chunk.cols == whole.n;
      gemm.multiply(*kernels[last_row][last_col], whole.left + chunk.row * whole.k, strip, product,
                    thread);
      finish(product, chunk);
    }
  });
}

/// `from` and its place in the row-major matrix `to` with `stride` columns.
template <class T>
Product<T> place(const float* from, const Chunk& chunk, T* to, std::int64_t stride) {
  return {.from = from,
          .to = to + chunk.row * stride + chunk.col,
          .stride = stride,
          .rows = chunk.rows,
          .cols = chunk.cols};
}

template <class T>
void linear_as(const LinearArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t m = args.x.shape(0), k = args.x.shape(1), n = args.w.shape(0);
  const WeightProduct<T> whole{.m = m,
                               .n = n,
                               .k = k,
                               .left = elements<T>(args.x),
                               .weights = args.w.as<float>(),
                               .transposed = true};
  const float* bias = elements<float>(args.b);
  T* pre = elements<T>(args.pre);
  T* y = elements<T>(args.y);
  const auto reads_nothing = [](const Chunk&) {};
  each_chunk(whole, pool, gemm, reads_nothing, [&](const float* from, const Chunk& chunk) {
    const Product<T> product = place(from, chunk, y, n);
    const float* own_bias = bias != nullptr ? bias + chunk.col : nullptr;
    if (args.epilogue == Activation::none) return epilogues<T>().set(product, own_bias);
    epilogues<T>().set_gelu(product, own_bias, pre + chunk.row * n + chunk.col);
  });
}

/// Puts a panel of dy w, whose first element is element `at` of dx, in its place.
template <class T>
void finish_grad_input(const LinearGradInputArgs& args, const Product<T>& product,
                       std::int64_t at) {
  const bool set = args.write == Write::set;
  if (args.epilogue == Activation::none) {
    return set ? epilogues<T>().set(product, nullptr) : epilogues<T>().add(product);
  }
  const auto finish = set ? epilogues<T>().set_gelu_grad : epilogues<T>().add_gelu_grad;
  finish(product, elements<T>(args.pre) + at);
}

template <class T>
void linear_grad_input_as(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t m = args.dy.shape(0), n = args.w.shape(1), k = args.dy.shape(1);
  const WeightProduct<T> whole{.m = m,
                               .n = n,
                               .k = k,
                               .left = elements<T>(args.dy),
                               .weights = args.w.as<float>(),
                               .transposed = false};
  T* dx = elements<T>(args.dx);
  const auto foresee = [&](const Chunk& chunk) {
    if (args.write == Write::add) prefetch(elements<T>(args.dx), n, chunk);
    prefetch(elements<T>(args.pre), n, chunk);
  };
  each_chunk(whole, pool, gemm, foresee, [&](const float* from, const Chunk& chunk) {
    finish_grad_input(args, place(from, chunk, dx, n), chunk.row * n + chunk.col);
  });
}

template <class T>
typename PackLoops<T, T>::Right pack_of(Activation activation) {
  const PackLoops<T, T>& loops = pack_loops<T, T>();
  if (activation == Activation::none) return loops.rows;
  return activation == Activation::gelu ? loops.rows_gelu : loops.rows_gelu_tanh;
}

void add_or_set(Write write, const float* from, const View& to) {
  auto* out = to.as<float>();
  for (std::int64_t i = 0; i < to.size(); ++i) {
    out[i] = write == Write::set ? from[i] : out[i] + from[i];
  }
}

/// x through its activation, packed whole by all threads: [rows, k] of `depth` rows.
template <class T>
const T* pack_input(const LinearGradWeightArgs& args, Pool& pool) {
  const std::int64_t rows = args.x.shape(0), k = args.x.shape(1);
  const std::int64_t size = packed_size(rows, k, type_of<T>());
  Scratch scratch(pool, Scratch::bytes<T>(size));
  T* to = scratch.take<T>(size);
  const T* from = elements<T>(args.x);
  const auto pack = pack_of<T>(args.activation);
  const Cut cols{k, kColumnBlock}, pieces{rows, kTaskRows};
  pool.run(cols.count * pieces.count, [&](std::int64_t task, int) {
    const std::int64_t col = cols.begin(task / pieces.count);
    const std::int64_t row = pieces.begin(task % pieces.count);
    pack(from + row * k + col, k, pieces.end(task % pieces.count) - row,
         cols.end(task / pieces.count) - col,
         to + col * packed_depth(rows, type_of<T>()) + row * kColumnBlock);
  });
  return to;
}

/// Panels that share a transposed strip: all of them, fewer where threads would be idle.
Cut panel_groups(std::int64_t panels, std::int64_t strips, int threads) {
  const std::int64_t wanted = (kTasksOfThread * threads + strips - 1) / strips;
  return cut_into(panels, wanted, 1);
}

// One product over all rows of the micro-batch. A task transposes 64 columns of dy into its own
// second-level cache, sums them on the way, and multiplies them with all of x. Both operands go on
// with zeros to a depth that oneDNN likes, so the product has no odd end.
template <class T>
void linear_grad_weight_as(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm) {
  const std::int64_t rows = args.dy.shape(0), n = args.dy.shape(1), k = args.x.shape(1);
  const std::int64_t depth = packed_depth(rows, type_of<T>());
  const Cut strips{n, kColumnBlock}, panels{k, kPanelCols};
  const ChunkKernels kernels = kernels_of<T>(n, kColumnBlock, k, kPanelCols, depth, gemm);
  constexpr std::int64_t kProduct = kColumnBlock * kPanelCols;
  gemm.reserve(kProduct + kColumnBlock +
               kColumnBlock * depth * static_cast<std::int64_t>(sizeof(T)) / 4);
  const T* right = pack_input<T>(args, pool);
  const T* dy = elements<T>(args.dy);
  auto* dw = args.dw.as<float>();
  const bool set = args.write == Write::set;
  const Cut groups = panel_groups(panels.count, strips.count, pool.threads());
  pool.run(strips.count * groups.count, [&](std::int64_t task, int thread) {
    const std::int64_t strip = task / groups.count, group = task % groups.count;
    float* product = gemm.workspace(thread);
    float* sums = product + kProduct;
    T* left = reinterpret_cast<T*>(sums + kColumnBlock);
    Chunk chunk;
    chunk.row = strips.begin(strip);
    chunk.rows = strips.end(strip) - chunk.row;
    transpose_loop<T>()(dy + chunk.row, n, rows, chunk.rows, left, depth, sums);
    for (std::int64_t panel = groups.begin(group); panel < groups.end(group); ++panel) {
      chunk.col = panels.begin(panel);
      chunk.cols = panels.end(panel) - chunk.col;
      gemm.multiply(*kernels[strip + 1 == strips.count][panel + 1 == panels.count], left,
                    right + chunk.col * depth, product, thread);
      const Product<float> done = place(product, chunk, dw, k);
      set ? loops().set_far(done) : epilogues<float>().add(done);
    }
    if (args.db && group == 0) {
      add_or_set(args.write, sums, args.db.slice(chunk.row, chunk.rows));
    }
  });
}

}  // namespace

// Weights are [out, in], so y = x w^T multiplies by a transposed matrix.
void linear(const LinearArgs& args, Pool& pool, Gemm& gemm) {
  with_element(args.x.dtype(), [&]<class T>(T) { linear_as<T>(args, pool, gemm); });
}

void linear_grad_input(const LinearGradInputArgs& args, Pool& pool, Gemm& gemm) {
  with_element(args.dy.dtype(), [&]<class T>(T) { linear_grad_input_as<T>(args, pool, gemm); });
}

void linear_grad_weight(const LinearGradWeightArgs& args, Pool& pool, Gemm& gemm) {
  with_element(args.dy.dtype(), [&]<class T>(T) { linear_grad_weight_as<T>(args, pool, gemm); });
}

}  // namespace epi::kernels::cpu
